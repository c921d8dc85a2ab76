//! Which of its instances does a borrower give back?

use cascina_core::decision::{Decided, Reason, Said};
use cascina_core::id::{InstanceId, ShareId};
use cascina_core::policy::Hook;
use cascina_core::units::{Size, Timestamp};

use crate::abi::v1::choose_victims as abi;
use crate::abi::v1::types::{Context, Failure};
use crate::answer;
use crate::bounds::Bounds;
use crate::chain::{Ask, Effect, Judgement, Subject};
use crate::component::Loaded;
use crate::error::EvaluationError;
use crate::evaluate::{Evaluated, Runner};
use crate::sandbox::Sandbox;

/// What must be free again.
#[derive(Debug, Clone, Copy)]
pub struct Demand {
    pub share: ShareId,
    pub size: Size,
    pub deadline: Timestamp,
}

/// The borrower's instances that it may choose from, in columns. Their numbers are their places plus one.
#[derive(Debug, Clone, Default)]
pub struct Victims {
    pub ids: Vec<InstanceId>,
    pub farm: Vec<u32>,
    pub vcpus: Vec<u32>,
    pub memory_mib: Vec<u32>,
    pub cpu_permille: Vec<u32>,
    pub idle_s: Vec<u32>,
    pub age_s: Vec<u32>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// Places.
    victims: Vec<usize>,
    reasons: Vec<Reason>,
}

impl Sandbox {
    /// The first policy of the chain that answers chooses. What it leaves open is the server's to choose.
    pub fn choose_victims(&self, ask: &Ask<'_>, demand: Demand, instances: &Victims) -> Judgement {
        let mut opinions = Vec::new();
        let mut chosen = None;
        for binding in ask.chain {
            let asked = self.consult(
                ask,
                binding,
                |loaded, context| evaluate(&self.runner, loaded, context, &ask.subject, demand, instances),
                |chosen| {
                    let victims = u32::try_from(chosen.victims.len()).unwrap_or(u32::MAX);
                    (Said::Chose { victims }, std::mem::take(&mut chosen.reasons))
                },
            );
            let Some((opinion, effect)) = asked else { continue };
            opinions.push(opinion);
            if let Effect::Answer(answer) = effect {
                chosen.get_or_insert(answer.victims);
            }
        }
        let places = chosen.unwrap_or_default();
        let instances = places.into_iter().filter_map(|place| instances.ids.get(place).copied()).collect();
        Judgement { decided: Decided::Victims { instances }, opinions }
    }
}

pub(crate) fn evaluate(
    runner: &Runner,
    loaded: &Loaded,
    context: Context<'_>,
    subject: &Subject,
    demand: Demand,
    instances: &Victims,
) -> Evaluated<Chosen> {
    let Some(export) = &loaded.exports.choose_victims else {
        return Evaluated::failed(EvaluationError::NoHook(Hook::ChooseVictims));
    };
    let ids: Vec<u32> = (1..=u32::try_from(instances.ids.len()).unwrap_or(u32::MAX)).collect();
    let columns = abi::Instances {
        id: &ids,
        farm: &instances.farm,
        vcpus: &instances.vcpus,
        memory_mib: &instances.memory_mib,
        cpu_permille: &instances.cpu_permille,
        idle_s: &instances.idle_s,
        age_s: &instances.age_s,
    };
    let demand = abi::Demand {
        share: demand.share.0,
        vcpus: demand.size.vcpus.0,
        memory_mib: demand.size.memory.0,
        deadline_ms: demand.deadline.0,
    };
    runner
        .call::<_, Result<abi::Choice, Failure>>(loaded, export, (context, subject.lower(), demand, columns), ids.len())
        .and_then(|choice| answer::declared(choice, &runner.bounds))
        .and_then(|choice| chosen(choice, ids.len(), &runner.bounds))
}

fn chosen(choice: abi::Choice, count: usize, bounds: &Bounds) -> Result<Chosen, EvaluationError> {
    let mut seen = vec![false; count];
    let mut victims = Vec::with_capacity(choice.victims.len().min(count));
    for number in choice.victims {
        let place = (number as usize).wrapping_sub(1);
        match seen.get_mut(place) {
            Some(seen) if !*seen => *seen = true,
            Some(_) => return Err(EvaluationError::Nonsense(format!("it chooses instance {number} twice"))),
            None => {
                return Err(EvaluationError::Nonsense(format!(
                    "it chooses instance {number}, where 1 to {count} were offered"
                )));
            }
        }
        victims.push(place);
    }
    Ok(Chosen { victims, reasons: answer::reasons(choice.reasons, bounds)? })
}
