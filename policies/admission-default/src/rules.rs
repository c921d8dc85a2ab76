//! One function a rule. Each adds its reason and its verdict; the strictest verdict wins.

use crate::settings::{Settings, WhoApproves};
use crate::shrink::largest_that_fits;
use cascina_policy_sdk::admission::{FarmRequest, TenantRequest};
use cascina_policy_sdk::{Answer, Approver, Resources, Subject};

pub fn groups(settings: &Settings, subject: &Subject, answer: Answer) -> Answer {
    let tenant = &subject.tenant;
    if let Some(group) = subject.groups.iter().find(|group| settings.groups_denied.contains(group)) {
        return answer
            .deny("group-denied", format!("Group \"{group}\" of tenant {tenant} is not admitted at this site."));
    }
    let allowed = &settings.groups_allowed;
    if !allowed.is_empty() && !subject.groups.iter().any(|group| allowed.contains(group)) {
        return answer.deny(
            "group-not-allowed",
            format!("Tenant {tenant} is in none of the groups that this site admits: {}.", allowed.join(", ")),
        );
    }
    answer
}

pub fn tenants(settings: &Settings, request: &TenantRequest, answer: Answer) -> Answer {
    match settings.max_tenants {
        Some(most) if request.tenants >= most => answer
            .deny("too-many-tenants", format!("The site takes at most {most} tenants and has {}.", request.tenants)),
        _ => answer,
    }
}

pub fn farms(settings: &Settings, request: &FarmRequest, answer: Answer) -> Answer {
    match settings.max_farms_per_tenant {
        Some(most) if request.farms >= most => answer.deny(
            "too-many-farms",
            format!(
                "Tenant {} has {} farms, and at most {most} are allowed; delete one first.",
                request.subject.tenant, request.farms
            ),
        ),
        _ => answer,
    }
}

pub fn lease(settings: &Settings, request: &FarmRequest, answer: Answer) -> Answer {
    let Some(most) = settings.max_lease_s else {
        return answer;
    };
    let hours = most / 3600;
    if request.lease_s == 0 {
        answer.deny("lease-needed", format!("Farms need a lease here, of at most {most} seconds ({hours} hours)."))
    } else if request.lease_s > most {
        answer.deny(
            "lease-too-long",
            format!("A lease of {} seconds is wanted; at most {most} ({hours} hours) are allowed.", request.lease_s),
        )
    } else {
        answer
    }
}

/// A farm that is too large as a whole, but useful with fewer instances, gets an offer.
pub fn size(settings: &Settings, request: &FarmRequest, answer: Answer) -> Answer {
    let limit = Resources::from(settings.max_farm);
    if request.total.fits(&limit) {
        return answer;
    }
    let excess = excess(&request.total, &limit);
    match largest_that_fits(request, &limit) {
        Some(offer) => answer.counter_offer(
            offer,
            "farm-too-large",
            format!(
                "A farm may have {excess}. It would fit with {} instances and {} vCPUs.",
                offer.instances, offer.vcpus
            ),
        ),
        None => answer.deny("farm-too-large", format!("A farm may have {excess}. Even its minimum is too large.")),
    }
}

pub fn approval(settings: &Settings, request: &FarmRequest, answer: Answer) -> Answer {
    let limit = Resources::from(settings.pend_above);
    if request.total.fits(&limit) {
        return answer;
    }
    let (approver, who) = match settings.approver {
        WhoApproves::SiteAdmin => (Approver::SiteAdmin, "A site administrator"),
        WhoApproves::Owner => (Approver::Owner, "The owner of the share"),
    };
    answer.pend(
        approver,
        "approval-needed",
        format!("Without approval a farm may have {}. {who} decides.", excess(&request.total, &limit)),
    )
}

/// "at most 64 vCPUs (100 are wanted) and at most …".
fn excess(total: &Resources, limit: &Resources) -> String {
    let parts: Vec<String> = total
        .beyond(limit)
        .map(|(name, wanted, most)| format!("at most {most} {name} ({wanted} are wanted)"))
        .collect();
    parts.join(" and ")
}
