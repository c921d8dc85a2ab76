//! Between the generated bindings and the traits of this crate.

use crate::admission::{Admission, FarmRequest, TenantRequest};
use crate::bindings::base::exports::cascina::policy::metadata::{self, Description};
use crate::bindings::{admission, choose_victims, placement, quota, reallocation};
use crate::choose_victims::{Choice, ChooseVictims, Demand, Instances};
use crate::placement::{Hosts, Outcome, Placement, Request, Share, Workload};
use crate::policy::{instantiate, parse_settings, settings_schema};
use crate::quota::{Assignment, AssignmentRequest, Consumption, Quota};
use crate::reallocation::{Cluster, Plan, Reallocation};
use crate::{Answer, Context, Failure, Policy, Subject};
use std::marker::PhantomData;

/// A policy as the component model sees it. A type of this crate, so that the generated traits can
/// be implemented for all policies at once.
pub struct Component<P>(PhantomData<P>);

impl<P: Policy> metadata::Guest for Component<P> {
    fn describe() -> Description {
        Description {
            name: P::NAME.to_owned(),
            version: P::VERSION.to_owned(),
            summary: P::SUMMARY.to_owned(),
            settings_schema: settings_schema::<P>(),
        }
    }

    fn validate_settings(settings: String) -> Result<(), Vec<Failure>> {
        let settings = parse_settings::<P>(&settings).map_err(|failure| vec![failure])?;
        let complaints = P::complaints(&settings);
        if complaints.is_empty() { Ok(()) } else { Err(complaints) }
    }
}

impl<P: Admission> admission::exports::cascina::policy::admission::Guest for Component<P> {
    fn admit_tenant(ctx: Context, request: TenantRequest) -> Result<Answer, Failure> {
        instantiate::<P>(&ctx)?.admit_tenant(&ctx, &request)
    }

    fn admit_farm(ctx: Context, request: FarmRequest) -> Result<Answer, Failure> {
        instantiate::<P>(&ctx)?.admit_farm(&ctx, &request)
    }
}

impl<P: Quota> quota::exports::cascina::policy::quota::Guest for Component<P> {
    fn assign(ctx: Context, request: AssignmentRequest) -> Result<Assignment, Failure> {
        instantiate::<P>(&ctx)?.assign(&ctx, &request)
    }

    fn check(ctx: Context, request: Consumption) -> Result<Answer, Failure> {
        instantiate::<P>(&ctx)?.check(&ctx, &request)
    }
}

impl<P: Placement> placement::exports::cascina::policy::placement::Guest for Component<P> {
    fn rank(
        ctx: Context,
        subject: Subject,
        workload: Workload,
        share: Option<Share>,
        hosts: Hosts,
    ) -> Result<Outcome, Failure> {
        let request = Request { subject, workload, share, hosts };
        instantiate::<P>(&ctx)?.rank(&ctx, &request)
    }
}

impl<P: Reallocation> reallocation::exports::cascina::policy::reallocation::Guest for Component<P> {
    fn propose(ctx: Context, cluster: Cluster, max_moves: u32) -> Result<Plan, Failure> {
        instantiate::<P>(&ctx)?.propose(&ctx, &cluster, max_moves)
    }
}

impl<P: ChooseVictims> choose_victims::exports::cascina::policy::choose_victims::Guest for Component<P> {
    fn choose(ctx: Context, who: Subject, demand: Demand, instances: Instances) -> Result<Choice, Failure> {
        instantiate::<P>(&ctx)?.choose(&ctx, &who, &demand, &instances)
    }
}
