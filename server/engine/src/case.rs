//! A decision as the case that one of its policies was put: for whoever runs it elsewhere.

use std::sync::Arc;

use cascina_core::decision::{Decision, Question};
use cascina_core::feasible;
use cascina_core::policy::{Binding, Scope};
use cascina_core::view::ClusterView;
use cascina_policy::case::{self, Case};

use crate::verdict::{Asking, Facts};

/// What `binding` was asked, as it was asked first: of several hosts, for the first one.
pub(crate) fn of(asking: &Asking, decision: &Decision, binding: &Binding, view: &Arc<ClusterView>) -> Case {
    let context = case::Context {
        decision: decision.id.to_string(),
        now_ms: decision.at.0,
        seed: decision.seed,
        revision: decision.revision,
        dry_run: false,
    };
    let settings = serde_json::from_str(&binding.settings).unwrap_or_default();
    let name = format!("{} as {}", decision.id, binding.name);
    let mut case = Case { name, settings, context, subject: asking.subject_for(binding), ..Case::default() };
    match (&asking.question, &asking.facts) {
        (Question::AdmitTenant { .. }, Facts::Tenants(tenants)) => {
            case.admit_tenant = Some(case::AdmitTenant { tenants: *tenants });
        }
        (Question::AdmitFarm { farm }, Facts::Farm { farms, usage }) => {
            let items = farm.items.iter().map(|item| case::Item {
                flavor: item.flavor.to_string(),
                class: item.class.to_string(),
                image: item.image.to_string(),
                min_count: item.min_count,
                max_count: item.max_count,
                size: size(item.size),
            });
            case.admit_farm = Some(case::AdmitFarm {
                items: items.collect(),
                total: Some(farm.total()),
                lease_s: farm.lease_s,
                farms: *farms,
                usage: usage.iter().map(used).collect(),
                attributes: farm.labels.clone(),
            });
        }
        (Question::AssignQuota { .. }, Facts::Classes(classes)) => {
            case.assign = Some(case::Assign { classes: classes.iter().map(ToString::to_string).collect() });
        }
        (Question::CheckQuota { verb, class, wanted }, Facts::Usage(usage)) => {
            let usage = usage.iter().map(used).collect();
            case.check = Some(case::Check { verb: verb.clone(), class: class.clone(), wanted: *wanted, usage });
        }
        (Question::Place(place), Facts::Cluster { .. }) => {
            let need = feasible::Need {
                class: &place.class,
                size: place.size,
                groups: &asking.party.groups,
                only: &place.only,
                avoid: &place.avoid,
            };
            let (view, neighbours) = asking.neighbours(view, place);
            let share = match binding.scope {
                Scope::Share(id) => Some(id.0),
                Scope::Site | Scope::Tenant(_) => None,
            };
            let rows = feasible::candidates(&view, &need).rows;
            let seen = rows.iter().filter(|row| share.is_none_or(|share| view.share[**row as usize] == share));
            let hosts = seen.map(|row| {
                let at = *row as usize;
                case::Host {
                    id: view.ids[at],
                    vcpus: view.vcpus[at],
                    vcpus_free: view.vcpus_free[at],
                    memory_mib: view.memory_mib[at],
                    memory_free_mib: view.memory_free_mib[at],
                    disk_free_gib: view.disk_free_gib[at],
                    load_permille: view.load_permille[at],
                    same_farm: neighbours.get(row).copied().unwrap_or(0),
                    share: view.share[at],
                    traits: 0,
                }
            });
            case.rank = Some(case::Rank {
                router: place.router,
                flavor: place.flavor.clone(),
                image: place.image.map(|id| id.to_string()).unwrap_or_default(),
                class: place.class.to_string(),
                size: size(place.size),
                count: place.count,
                cause: place.cause.clone(),
                share: asking.shares().into_iter().find(|known| Some(known.number) == share),
                hosts: hosts.collect(),
            });
        }
        _ => unreachable!("gather pairs each question with its facts"),
    }
    case
}

fn size(size: cascina_core::units::Size) -> case::Size {
    case::Size { vcpus: size.vcpus.0, memory_mib: size.memory.0, disk_gib: size.disk.0 }
}

fn used(usage: &cascina_core::quota::Usage) -> case::Usage {
    let class = usage.class.as_ref().map(ToString::to_string).unwrap_or_default();
    case::Usage { class, limit: case::Limit(usage.limit), used: usage.used, held: usage.held }
}
