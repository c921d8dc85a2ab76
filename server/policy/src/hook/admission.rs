//! May this tenant, may this farm, exist?

use cascina_core::decision::{Amounts, Said};
use cascina_core::farm::FarmRequest;
use cascina_core::policy::{Hook, Scope};
use cascina_core::quota::Usage;
use cascina_core::tenant::TenantRequest;
use cascina_core::units::Size;

use crate::abi::v1::admission as abi;
use crate::abi::v1::types::{Answer, Attribute, Context, Failure};
use crate::answer::{self, Spoken};
use crate::case;
use crate::chain::{Ask, Effect, Judgement, Subject, Tally};
use crate::component::Loaded;
use crate::error::EvaluationError;
use crate::evaluate::{Evaluated, Runner};
use crate::sandbox::Sandbox;

impl Sandbox {
    /// May this tenant exist? `tenants` is how many there are.
    pub fn admit_tenant(&self, ask: &Ask<'_>, _request: &TenantRequest, tenants: u32) -> Judgement {
        judge(self, ask, |loaded, context, scope| {
            evaluate_tenant(&self.runner, loaded, context, ask.subject(scope), tenants, Some(scope))
        })
    }

    /// May this farm exist? `farms` and `usage` are what the tenant has.
    pub fn admit_farm(&self, ask: &Ask<'_>, request: &FarmRequest, farms: u32, usage: &[Usage]) -> Judgement {
        let farm = Farm::new(request, farms, usage);
        judge(self, ask, |loaded, context, scope| {
            evaluate_farm(&self.runner, loaded, context, ask.subject(scope), &farm, Some(scope))
        })
    }
}

/// Asks every binding of a chain for a verdict, and adds them up.
pub(super) fn judge(
    sandbox: &Sandbox,
    ask: &Ask<'_>,
    evaluate: impl Fn(&Loaded, Context<'_>, Scope) -> Evaluated<Spoken>,
) -> Judgement {
    let mut opinions = Vec::with_capacity(ask.chain.len());
    let mut tally = Tally::default();
    for binding in ask.chain {
        let asked = sandbox.consult(
            ask,
            binding,
            |loaded, context| evaluate(loaded, context, binding.scope),
            |spoken| (Said::Verdict(spoken.verdict.clone()), std::mem::take(&mut spoken.reasons)),
        );
        if let Some((opinion, effect)) = asked {
            tally.add(match effect {
                Effect::Answer(spoken) => Effect::Answer(spoken.verdict),
                Effect::Deny => Effect::Deny,
                Effect::None => Effect::None,
            });
            opinions.push(opinion);
        }
    }
    Judgement { decided: tally.decided(), opinions }
}

/// A farm request with what has to be made for its journey.
pub(crate) struct Farm<'a> {
    request: &'a FarmRequest,
    images: Vec<String>,
    total: Amounts,
    farms: u32,
    usage: &'a [Usage],
}

impl<'a> Farm<'a> {
    pub fn new(request: &'a FarmRequest, farms: u32, usage: &'a [Usage]) -> Farm<'a> {
        let images = request.items.iter().map(|item| item.image.to_string()).collect();
        Farm { request, images, total: request.total(), farms, usage }
    }
}

pub(crate) fn evaluate_tenant(
    runner: &Runner,
    loaded: &Loaded,
    context: Context<'_>,
    subject: &Subject,
    tenants: u32,
    scope: Option<Scope>,
) -> Evaluated<Spoken> {
    let Some(exports) = &loaded.exports.admission else {
        return Evaluated::failed(EvaluationError::NoHook(Hook::Admission));
    };
    let request = abi::TenantRequest { subject: subject.lower(), tenants, attributes: &[] };
    runner
        .call::<_, Result<Answer, Failure>>(loaded, &exports.admit_tenant, (context, request), 0)
        .and_then(|answer| answer::declared(answer, &runner.bounds))
        .and_then(|answer| answer::spoken(answer, None, scope, &runner.bounds))
}

pub(crate) fn evaluate_farm(
    runner: &Runner,
    loaded: &Loaded,
    context: Context<'_>,
    subject: &Subject,
    farm: &Farm<'_>,
    scope: Option<Scope>,
) -> Evaluated<Spoken> {
    let items: Vec<abi::Item<'_>> = farm
        .request
        .items
        .iter()
        .zip(&farm.images)
        .map(|(item, image)| abi::Item {
            flavor: item.flavor.as_str(),
            class: item.class.as_str(),
            image,
            min_count: item.min_count,
            max_count: item.max_count,
            size: Amounts::of_instances(item.size, 1).into(),
        })
        .collect();
    let usage: Vec<_> = farm.usage.iter().map(Into::into).collect();
    let attributes: Vec<_> = farm.request.labels.iter().map(|(key, value)| Attribute { key, value }).collect();
    let request = abi::FarmRequest {
        subject: subject.lower(),
        items: &items,
        total: farm.total.into(),
        lease_s: farm.request.lease_s,
        farms: farm.farms,
        usage: &usage,
        attributes: &attributes,
    };
    ask_farm(runner, loaded, context, request, scope)
}

/// The same about a farm that somebody wrote down.
pub(crate) fn evaluate_case(
    runner: &Runner,
    loaded: &Loaded,
    context: Context<'_>,
    subject: &Subject,
    ask: &case::AdmitFarm,
) -> Result<Evaluated<Spoken>, case::CaseError> {
    let size = |size: case::Size| Size::new(size.vcpus, size.memory_mib, size.disk_gib);
    let items = ask.items.iter().map(|item| abi::Item {
        flavor: &item.flavor,
        class: &item.class,
        image: &item.image,
        min_count: item.min_count,
        max_count: item.max_count,
        size: Amounts::of_instances(size(item.size), 1).into(),
    });
    let items: Vec<abi::Item<'_>> = items.collect();
    let usage = case::usage(&ask.usage)?;
    let usage: Vec<_> = usage.iter().map(Into::into).collect();
    let attributes: Vec<_> = ask.attributes.iter().map(|(key, value)| Attribute { key, value }).collect();
    let request = abi::FarmRequest {
        subject: subject.lower(),
        items: &items,
        total: case::total(ask).into(),
        lease_s: ask.lease_s,
        farms: ask.farms,
        usage: &usage,
        attributes: &attributes,
    };
    Ok(ask_farm(runner, loaded, context, request, None))
}

fn ask_farm(
    runner: &Runner,
    loaded: &Loaded,
    context: Context<'_>,
    request: abi::FarmRequest<'_>,
    scope: Option<Scope>,
) -> Evaluated<Spoken> {
    let Some(exports) = &loaded.exports.admission else {
        return Evaluated::failed(EvaluationError::NoHook(Hook::Admission));
    };
    let total = request.total.into();
    runner
        .call::<_, Result<Answer, Failure>>(loaded, &exports.admit_farm, (context, request), 0)
        .and_then(|answer| answer::declared(answer, &runner.bounds))
        .and_then(|answer| answer::spoken(answer, Some(total), scope, &runner.bounds))
}
