//! A case put to a component.

use cascina_core::decision::{Amounts, Verdict};
use cascina_core::name::Name;
use cascina_core::policy::{Digest, Hook};
use cascina_core::quota;
use cascina_core::units;

use super::expect::{Said, Word};
use super::{Case, Host, Limit, Rank, Usage};
use crate::abi::v1::placement as abi;
use crate::abi::v1::types;
use crate::answer::Spoken;
use crate::component::Loaded;
use crate::error::EvaluationError;
use crate::evaluate::Evaluated;
use crate::hook::placement::{self, Outcome, Workload};
use crate::hook::{admission, quota as quota_hook};
use crate::sandbox::Sandbox;

/// What came of a case.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    pub said: Said,
    pub log: Vec<String>,
    pub fuel: u64,
    pub micros: u64,
}

/// A case that cannot be put.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaseError {
    #[error("a case asks one thing: admit_tenant, admit_farm, assign, check or rank; this one asks {0}")]
    NotOne(usize),
    #[error("`{given}` in {field} is no name: {error}")]
    Name { field: &'static str, given: String, error: String },
    #[error("component {0} is not loaded")]
    NotLoaded(Digest),
    #[error("{given} hosts have the number {id}; each has its own")]
    Twice { id: u32, given: usize },
}

impl Case {
    /// The hook that it is for.
    ///
    /// # Errors
    ///
    /// If it asks nothing, or more than one thing.
    pub fn hook(&self) -> Result<Hook, CaseError> {
        let asked = [
            (self.admit_tenant.is_some(), Hook::Admission),
            (self.admit_farm.is_some(), Hook::Admission),
            (self.assign.is_some(), Hook::Quota),
            (self.check.is_some(), Hook::Quota),
            (self.rank.is_some(), Hook::Placement),
        ];
        match asked.iter().filter(|(asked, _)| *asked).collect::<Vec<_>>()[..] {
            [(_, hook)] => Ok(*hook),
            ref others => Err(CaseError::NotOne(others.len())),
        }
    }

    pub(crate) fn settings_text(&self) -> String {
        serde_json::Value::Object(self.settings.clone()).to_string()
    }
}

impl Sandbox {
    /// Asks one component, with nothing around it: no binding, no other policies, no consequences.
    ///
    /// # Errors
    ///
    /// If the case cannot be put; what a policy does wrong is part of the answer.
    pub fn answer(&self, digest: &Digest, case: &Case) -> Result<Answered, CaseError> {
        case.hook()?;
        let loaded = self.loaded(digest).ok_or(CaseError::NotLoaded(*digest))?;
        let settings = case.settings_text();
        let context = types::Context {
            decision: &case.context.decision,
            now_ms: case.context.now_ms,
            seed: case.context.seed,
            revision: case.context.revision,
            dry_run: case.context.dry_run,
            settings: &settings,
        };
        let (runner, loaded) = (&self.runner, &*loaded);
        if let Some(ask) = &case.admit_tenant {
            return Ok(spoken(admission::evaluate_tenant(runner, loaded, context, &case.subject, ask.tenants, None)));
        }
        if let Some(ask) = &case.admit_farm {
            return Ok(spoken(admission::evaluate_case(runner, loaded, context, &case.subject, ask)?));
        }
        if let Some(ask) = &case.assign {
            let classes =
                ask.classes.iter().map(|class| name("assign.classes", class)).collect::<Result<Vec<_>, _>>()?;
            let evaluated = quota_hook::evaluate_assign(runner, loaded, context, &case.subject, &classes);
            return Ok(answered(evaluated, |assigned| {
                let limits = assigned.limits.iter().map(|(class, limit)| (class.clone(), Limit(*limit))).collect();
                Said { limits: Some(limits), ..Said::word(Word::Assigned, assigned.reasons) }
            }));
        }
        if let Some(ask) = &case.check {
            let usage = usage(&ask.usage)?;
            let consumption =
                quota_hook::Consumption { verb: &ask.verb, class: &ask.class, wanted: ask.wanted, usage: &usage };
            let evaluated = quota_hook::evaluate_check(runner, loaded, context, &case.subject, &consumption, None);
            return Ok(spoken(evaluated));
        }
        let Some(rank) = &case.rank else { unreachable!("a case asks one thing") };
        self::rank(self, loaded, context, case, rank)
    }
}

fn name(field: &'static str, text: &str) -> Result<Name, CaseError> {
    text.parse().map_err(|error: cascina_core::name::NameError| CaseError::Name {
        field,
        given: text.chars().take(80).collect(),
        error: error.to_string(),
    })
}

pub(crate) fn usage(given: &[Usage]) -> Result<Vec<quota::Usage>, CaseError> {
    given
        .iter()
        .map(|row| {
            let class = if row.class.is_empty() { None } else { Some(name("usage.class", &row.class)?) };
            Ok(quota::Usage { class, limit: row.limit.0, used: row.used, held: row.held })
        })
        .collect()
}

fn answered<T>(evaluated: Evaluated<T>, say: impl FnOnce(T) -> Said) -> Answered {
    let said = match evaluated.answer {
        Ok(answer) => say(answer),
        Err(error) => {
            let declared = matches!(error, EvaluationError::Declared { .. });
            Said { error: Some(error.to_string()), declared, ..Said::word(Word::Failed, Vec::new()) }
        }
    };
    Answered { said, log: evaluated.log, fuel: evaluated.fuel, micros: evaluated.micros }
}

fn spoken(evaluated: Evaluated<Spoken>) -> Answered {
    answered(evaluated, |spoken| {
        let said = |word| Said::word(word, spoken.reasons.clone());
        match spoken.verdict {
            Verdict::Allow => said(Word::Allow),
            Verdict::Deny => said(Word::Deny),
            Verdict::Pend(approver) => Said { approver: Some(approver), ..said(Word::Pend) },
            Verdict::CounterOffer(offer) => Said { offer: Some(offer), ..said(Word::CounterOffer) },
        }
    })
}

/// The candidates of a case as they cross the border.
struct Columns([Vec<u32>; 10]);

impl Columns {
    fn of(hosts: &[Host]) -> Columns {
        let column = |of: fn(&Host) -> u32| hosts.iter().map(of).collect();
        Columns([
            column(|host| host.id),
            column(|host| host.vcpus),
            column(|host| host.vcpus_free),
            column(|host| host.memory_mib),
            column(|host| host.memory_free_mib),
            column(|host| host.disk_free_gib),
            column(|host| host.load_permille),
            column(|host| host.same_farm),
            column(|host| host.share),
            column(|host| host.traits),
        ])
    }

    fn lower(&self) -> abi::Hosts<'_> {
        let [
            id,
            vcpus,
            vcpus_free,
            memory_mib,
            memory_free_mib,
            disk_free_gib,
            load_permille,
            same_farm,
            share,
            traits,
        ] = &self.0;
        abi::Hosts {
            id,
            vcpus,
            vcpus_free,
            memory_mib,
            memory_free_mib,
            disk_free_gib,
            load_permille,
            same_farm,
            share,
            traits,
        }
    }
}

fn rank(
    sandbox: &Sandbox,
    loaded: &Loaded,
    context: types::Context<'_>,
    case: &Case,
    rank: &Rank,
) -> Result<Answered, CaseError> {
    let mut numbers: Vec<u32> = rank.hosts.iter().map(|host| host.id).collect();
    numbers.sort_unstable();
    if let Some(twice) = numbers.windows(2).find(|pair| pair[0] == pair[1]) {
        let given = numbers.iter().filter(|id| **id == twice[0]).count();
        return Err(CaseError::Twice { id: twice[0], given });
    }
    let work = Workload {
        router: rank.router,
        flavor: &rank.flavor,
        image: &rank.image,
        class: &rank.class,
        size: units::Size::new(rank.size.vcpus, rank.size.memory_mib, rank.size.disk_gib),
        count: rank.count,
        cause: &rank.cause,
    };
    let columns = Columns::of(&rank.hosts);
    let share = rank.share.as_ref().map(placement::lower_share);
    let evaluated = placement::evaluate(&sandbox.runner, loaded, context, &case.subject, &work, share, columns.lower());
    Ok(answered(evaluated, |outcome| match outcome {
        Outcome::Abstained => Said::word(Word::Abstained, Vec::new()),
        Outcome::Refused(reasons) => Said::word(Word::Refused, reasons),
        Outcome::Ranked(ranked) => {
            let code = |code: u32| ranked.codes[code as usize].code.clone();
            let excluded = ranked.excluded.iter().map(|out| (columns.0[0][out.row as usize], code(out.code))).collect();
            let reasons = ranked.reasons.iter().chain(&ranked.codes).cloned().collect();
            Said { scores: Some(ranked.scores), excluded: Some(excluded), ..Said::word(Word::Ranked, reasons) }
        }
    }))
}

/// All that a farm asks for.
pub(crate) fn total(ask: &super::AdmitFarm) -> Amounts {
    let base = Amounts { addresses: 1, networks: 1, ..Amounts::default() };
    ask.total.unwrap_or_else(|| {
        ask.items.iter().fold(base, |sum, item| {
            let size = units::Size::new(item.size.vcpus, item.size.memory_mib, item.size.disk_gib);
            sum.plus(Amounts::of_instances(size, item.max_count))
        })
    })
}
