//! Where should it run?

use std::borrow::Cow;
use std::ops::Range;

use cascina_core::decision::{Amounts, Opinion, Reason, Said};
use cascina_core::id::HostId;
use cascina_core::policy::{Binding, Hook, Scope};
use cascina_core::units::Size;
use cascina_core::view::ClusterView;
use serde::{Deserialize, Serialize};

use crate::abi::v1::placement as abi;
use crate::abi::v1::types::{Context, Failure};
use crate::answer;
use crate::bounds::Bounds;
use crate::chain::{Ask, Effect, Subject};
use crate::component::Loaded;
use crate::error::EvaluationError;
use crate::evaluate::{Evaluated, Runner};
use crate::sandbox::Sandbox;

/// What needs a host.
#[derive(Debug, Clone, Copy)]
pub struct Workload<'a> {
    pub router: bool,
    pub flavor: &'a str,
    pub image: &'a str,
    pub class: &'a str,
    pub size: Size,
    pub count: u32,
    pub cause: &'a str,
}

/// What is known of candidates beyond the view. Rows are those of the view, ascending; what is not
/// listed is 0.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlacementFacts<'a> {
    /// (row, instances of the same farm there).
    pub same_farm: &'a [(u32, u32)],
    /// Rows of hosts that have the image.
    pub cached: &'a [u32],
    pub shares: &'a [ShareFacts],
}

/// A share, as its owner's policy sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShareFacts {
    pub number: u32,
    /// Does the requesting tenant belong to the owner?
    pub own: bool,
    pub recalled: bool,
    pub vcpus: u32,
    pub vcpus_own: u32,
    pub vcpus_lent: u32,
}

/// What a chain of placement policies came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranking {
    /// Row of the view: the highest sum of weighted scores; of equals, the lowest row.
    pub best: Option<u32>,
    pub opinions: Vec<Opinion>,
    /// There were candidates, and the policies left none of them.
    pub refused: bool,
}

const BEST_SCORE: u32 = 10_000;
/// In place of a sum, which never gets there: a policy has ruled the candidate out.
const OUT: u64 = u64::MAX;
/// Bit of `hosts.traits`.
const CACHED: u32 = 1;
/// How many hosts an opinion names, as its best and as examples of a reason.
const NAMED: usize = 3;

impl Sandbox {
    /// Ranks the candidates: rows of the view, ascending, each fit and up.
    pub fn rank(
        &self,
        ask: &Ask<'_>,
        work: &Workload<'_>,
        view: &ClusterView,
        candidates: &[u32],
        facts: &PlacementFacts<'_>,
    ) -> Ranking {
        debug_assert!(candidates.is_sorted_by(|a, b| a < b));
        let mut opinions = Vec::with_capacity(ask.chain.len());
        if candidates.is_empty() {
            return Ranking { best: None, opinions, refused: false };
        }
        // Per candidate: the sum of weighted scores, or out.
        let mut sums = vec![0u64; candidates.len()];
        let everything = std::cell::OnceCell::new();
        for binding in ask.chain {
            let of_share;
            let columns: &Columns<'_> = match binding.scope {
                Scope::Site | Scope::Tenant(_) => everything.get_or_init(|| Columns::all(view, candidates, facts)),
                Scope::Share(share) => {
                    of_share = Columns::of_share(view, candidates, facts, share.0);
                    if of_share.places.is_empty() {
                        // Nothing that it could speak about.
                        continue;
                    }
                    &of_share
                }
            };
            let share = match binding.scope {
                Scope::Share(share) => facts.shares.iter().find(|known| known.number == share.0).map(lower_share),
                Scope::Site | Scope::Tenant(_) => None,
            };
            let asked = self.consult(
                ask,
                binding,
                |loaded, context| {
                    let subject = ask.subject(binding.scope);
                    evaluate(&self.runner, loaded, context, subject, work, share, columns.lower())
                },
                |outcome| say(outcome, binding, columns),
            );
            let Some((opinion, effect)) = asked else { continue };
            opinions.push(opinion);
            match effect {
                Effect::Answer(Outcome::Ranked(ranked)) => {
                    for (index, score) in ranked.scores.iter().enumerate() {
                        let sum = &mut sums[columns.places.at(index)];
                        if *sum != OUT {
                            *sum += u64::from(*score) * u64::from(binding.weight);
                        }
                    }
                    for exclusion in &ranked.excluded {
                        sums[columns.places.at(exclusion.row as usize)] = OUT;
                    }
                }
                Effect::Answer(Outcome::Refused(_)) | Effect::Deny => {
                    (0..columns.places.len()).for_each(|index| sums[columns.places.at(index)] = OUT);
                }
                Effect::Answer(Outcome::Abstained) | Effect::None => {}
            }
        }
        // Of equals, the first: `max_by_key` would take the last.
        let best = sums
            .iter()
            .enumerate()
            .filter(|(_, sum)| **sum != OUT)
            .reduce(|best, next| if next.1 > best.1 { next } else { best });
        let best = best.map(|(index, _)| candidates[index]);
        Ranking { best, opinions, refused: best.is_none() }
    }
}

pub(crate) fn lower_share(share: &ShareFacts) -> abi::Share {
    abi::Share {
        number: share.number,
        own: share.own,
        recalled: share.recalled,
        vcpus: share.vcpus,
        vcpus_own: share.vcpus_own,
        vcpus_lent: share.vcpus_lent,
    }
}

/// Which candidates a policy sees: its row `i` is candidate `at(i)`.
enum Places {
    All(usize),
    Some(Vec<u32>),
}

impl Places {
    fn len(&self) -> usize {
        match self {
            Places::All(count) => *count,
            Places::Some(places) => places.len(),
        }
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn at(&self, index: usize) -> usize {
        match self {
            Places::All(_) => index,
            Places::Some(places) => places[index] as usize,
        }
    }
}

/// Candidates in columns, as they cross the border: a part of the view's own if it is in one piece,
/// else gathered.
struct Columns<'a> {
    places: Places,
    id: Cow<'a, [u32]>,
    vcpus: Cow<'a, [u32]>,
    vcpus_free: Cow<'a, [u32]>,
    memory_mib: Cow<'a, [u32]>,
    memory_free_mib: Cow<'a, [u32]>,
    disk_free_gib: Cow<'a, [u32]>,
    load_permille: Cow<'a, [u32]>,
    share: Cow<'a, [u32]>,
    same_farm: Vec<u32>,
    traits: Vec<u32>,
}

impl<'a> Columns<'a> {
    fn all(view: &'a ClusterView, candidates: &[u32], facts: &PlacementFacts<'_>) -> Columns<'a> {
        Columns::new(view, candidates, Places::All(candidates.len()), facts)
    }

    fn of_share(view: &'a ClusterView, candidates: &[u32], facts: &PlacementFacts<'_>, share: u32) -> Columns<'a> {
        let (places, rows): (Vec<u32>, Vec<u32>) = candidates
            .iter()
            .enumerate()
            .filter(|(_, row)| view.share[**row as usize] == share)
            .map(|(place, row)| (place as u32, *row))
            .unzip();
        Columns::new(view, &rows, Places::Some(places), facts)
    }

    fn new(view: &'a ClusterView, rows: &[u32], places: Places, facts: &PlacementFacts<'_>) -> Columns<'a> {
        let runs = runs(rows);
        let column = |column: &'a [u32]| -> Cow<'a, [u32]> {
            match &runs[..] {
                [run] => Cow::Borrowed(&column[run.clone()]),
                runs => {
                    let mut gathered = Vec::with_capacity(rows.len());
                    runs.iter().for_each(|run| gathered.extend_from_slice(&column[run.clone()]));
                    Cow::Owned(gathered)
                }
            }
        };
        let mut same_farm = vec![0; rows.len()];
        meet(rows, facts.same_farm.iter().copied(), |at, count| same_farm[at] = count);
        let mut traits = vec![0; rows.len()];
        meet(rows, facts.cached.iter().map(|row| (*row, CACHED)), |at, bit| traits[at] |= bit);
        Columns {
            places,
            id: column(&view.ids),
            vcpus: column(&view.vcpus),
            vcpus_free: column(&view.vcpus_free),
            memory_mib: column(&view.memory_mib),
            memory_free_mib: column(&view.memory_free_mib),
            disk_free_gib: column(&view.disk_free_gib),
            load_permille: column(&view.load_permille),
            share: column(&view.share),
            same_farm,
            traits,
        }
    }

    fn lower(&self) -> abi::Hosts<'_> {
        abi::Hosts {
            id: &self.id,
            vcpus: &self.vcpus,
            vcpus_free: &self.vcpus_free,
            memory_mib: &self.memory_mib,
            memory_free_mib: &self.memory_free_mib,
            disk_free_gib: &self.disk_free_gib,
            load_permille: &self.load_permille,
            same_farm: &self.same_farm,
            share: &self.share,
            traits: &self.traits,
        }
    }
}

/// Rows that follow one another without a gap. Hosts of a class are mostly enrolled together and
/// mostly fit, so these are few and long, and copying them is copying memory.
fn runs(rows: &[u32]) -> Vec<Range<usize>> {
    rows.chunk_by(|a, b| a + 1 == *b).map(|run| run[0] as usize..run[0] as usize + run.len()).collect()
}

/// Calls back with the place in `rows` of every fact whose row is there; both ascend.
fn meet(rows: &[u32], facts: impl Iterator<Item = (u32, u32)>, mut met: impl FnMut(usize, u32)) {
    let mut at = 0;
    for (row, fact) in facts {
        while at < rows.len() && rows[at] < row {
            at += 1;
        }
        if rows.get(at) == Some(&row) {
            met(at, fact);
        }
    }
}

/// What one policy said, checked: rows and scores are in range.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ranked(Ranked),
    Refused(Vec<Reason>),
    Abstained,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ranked {
    /// One a candidate, or none at all.
    pub scores: Vec<u32>,
    pub excluded: Vec<abi::Exclusion>,
    pub codes: Vec<Reason>,
    pub reasons: Vec<Reason>,
}

pub(crate) fn evaluate(
    runner: &Runner,
    loaded: &Loaded,
    context: Context<'_>,
    subject: &Subject,
    work: &Workload<'_>,
    share: Option<abi::Share>,
    hosts: abi::Hosts<'_>,
) -> Evaluated<Outcome> {
    let Some(export) = &loaded.exports.placement else {
        return Evaluated::failed(EvaluationError::NoHook(Hook::Placement));
    };
    let workload = abi::Workload {
        kind: if work.router { abi::Kind::Router } else { abi::Kind::Instance },
        flavor: work.flavor,
        image: work.image,
        class: work.class,
        size: Amounts::of_instances(work.size, 1).into(),
        count: work.count,
        cause: work.cause,
        attributes: &[],
    };
    let rows = hosts.id.len();
    runner
        .call::<_, Result<abi::Outcome, Failure>>(
            loaded,
            export,
            (context, subject.lower(), workload, share, hosts),
            rows,
        )
        .and_then(|outcome| answer::declared(outcome, &runner.bounds))
        .and_then(|outcome| read(outcome, rows, &runner.bounds))
}

fn read(outcome: abi::Outcome, rows: usize, bounds: &Bounds) -> Result<Outcome, EvaluationError> {
    let ranking = match outcome {
        abi::Outcome::Abstain => return Ok(Outcome::Abstained),
        abi::Outcome::Refuse(given) => {
            if given.is_empty() {
                return Err(EvaluationError::nonsense("it refuses without a reason"));
            }
            return Ok(Outcome::Refused(answer::reasons(given, bounds)?));
        }
        abi::Outcome::Rank(ranking) => ranking,
    };
    if !ranking.scores.is_empty() && ranking.scores.len() != rows {
        let error = format!("{} scores for {rows} candidates", ranking.scores.len());
        return Err(EvaluationError::Nonsense(error));
    }
    if let Some(row) = ranking.scores.iter().position(|score| *score > BEST_SCORE) {
        let error = format!("the score {} of row {row} is above {BEST_SCORE}", ranking.scores[row]);
        return Err(EvaluationError::Nonsense(error));
    }
    let codes = answer::reasons(ranking.codes, bounds)?;
    if ranking.excluded.len() > rows {
        let error = format!("{} exclusions for {rows} candidates", ranking.excluded.len());
        return Err(EvaluationError::Nonsense(error));
    }
    let mut seen = vec![false; if ranking.excluded.is_empty() { 0 } else { rows }];
    for exclusion in &ranking.excluded {
        let row = exclusion.row;
        match seen.get_mut(row as usize) {
            None => {
                let error = format!("it excludes row {row}, but there are {rows} candidates");
                return Err(EvaluationError::Nonsense(error));
            }
            Some(true) => return Err(EvaluationError::Nonsense(format!("it excludes row {row} twice"))),
            Some(seen) => *seen = true,
        }
        if exclusion.code as usize >= codes.len() {
            let error = format!("it excludes row {row} for code {}, but gives {} codes", exclusion.code, codes.len());
            return Err(EvaluationError::Nonsense(error));
        }
    }
    let reasons = answer::reasons(ranking.reasons, bounds)?;
    Ok(Outcome::Ranked(Ranked { scores: ranking.scores, excluded: ranking.excluded, codes, reasons }))
}

/// An outcome as the decision records it.
fn say(outcome: &mut Outcome, binding: &Binding, columns: &Columns<'_>) -> (Said, Vec<Reason>) {
    match outcome {
        Outcome::Abstained => (Said::Abstained, Vec::new()),
        Outcome::Refused(reasons) => (Said::Refused, std::mem::take(reasons)),
        Outcome::Ranked(ranked) => {
            let mut reasons = std::mem::take(&mut ranked.reasons);
            reasons.extend(exclusions(ranked, columns));
            let said = Said::Ranked {
                candidates: columns.places.len() as u32,
                excluded: ranked.excluded.len() as u32,
                best: best(ranked, binding.weight, columns),
            };
            (said, reasons)
        }
    }
}

/// The highest scores among those not excluded; of equals, the lowest rows.
fn best(ranked: &Ranked, weight: u32, columns: &Columns<'_>) -> Vec<(HostId, u64)> {
    let mut out: Vec<u32> = ranked.excluded.iter().map(|exclusion| exclusion.row).collect();
    out.sort_unstable();
    let mut best: Vec<(usize, u32)> = Vec::with_capacity(NAMED + 1);
    for (row, score) in ranked.scores.iter().enumerate() {
        let beaten = best.len() == NAMED && best.last().is_some_and(|last| last.1 >= *score);
        if beaten || out.binary_search(&(row as u32)).is_ok() {
            continue;
        }
        let at = best.partition_point(|known| known.1 >= *score);
        best.insert(at, (row, *score));
        best.truncate(NAMED);
    }
    best.into_iter().map(|(row, score)| (HostId(columns.id[row]), u64::from(score) * u64::from(weight))).collect()
}

/// One reason a code that was used, with how many hosts it ruled out and some of them.
fn exclusions(ranked: &Ranked, columns: &Columns<'_>) -> Vec<Reason> {
    let mut hit: Vec<(usize, Vec<u32>)> = vec![(0, Vec::new()); ranked.codes.len()];
    for exclusion in &ranked.excluded {
        let (count, examples) = &mut hit[exclusion.code as usize];
        *count += 1;
        if examples.len() < NAMED {
            examples.push(columns.id[exclusion.row as usize]);
        }
    }
    ranked
        .codes
        .iter()
        .zip(hit)
        .filter(|(_, (count, _))| *count > 0)
        .map(|(reason, (count, examples))| {
            let examples: Vec<String> = examples.iter().map(u32::to_string).collect();
            let more = if count > examples.len() { ", …" } else { "" };
            let noun = if count == 1 { "host" } else { "hosts" };
            Reason {
                severity: reason.severity,
                code: reason.code.clone(),
                text: format!("{} ({count} {noun}: {}{more})", reason.text, examples.join(", ")),
            }
        })
        .collect()
}
