//! Commands: everything that anybody can ask the engine to do, and what comes back.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::audit::Calls;
use crate::decision::Amounts;
use crate::host::{HostClass, HostState};
use crate::id::*;
use crate::image::Title;
use crate::key_pair::KeyKind;
use crate::launch::{InstanceChange, Launch};
use crate::name::Name;
use crate::network::NatRule;
use crate::plan::Trigger;
use crate::policy::{Fallback, Hook, Mode, PolicyVersion, Scope, Stage, TrialBounds};
use crate::principal::Role;
use crate::security_group::NewRule;
use crate::site::SiteSpec;
use crate::snapshot::Disk;
use crate::tag::Resource;
use crate::tenant::TenantRequest;
use crate::units::{Gib, Size, Timestamp};
use crate::upkeep::{Switch, Workers};
use crate::volume::{Pace, VolumeKind};

/// A farm as people ask for it: names are looked up by the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFarm {
    pub name: Name,
    /// Made with the farm if it does not exist.
    pub tenant: Name,
    pub groups: Vec<Name>,
    /// None: the site's default.
    pub tier: Option<Name>,
    /// Made with the farm if it does not exist; None: named as the tenant.
    pub user: Option<Name>,
    pub ssh_key: Option<String>,
    pub instances: Vec<NewInstances>,
    pub lease_s: u64,
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewInstances {
    /// None: the flavor's, with a number.
    pub name: Option<Name>,
    pub flavor: Name,
    /// Id or name.
    pub image: String,
    /// None: `workers`.
    pub class: Option<Name>,
    pub min_count: u32,
    pub max_count: u32,
    /// Only this host; for admins.
    pub host: Option<Name>,
    pub launch: Launch,
}

/// What of an image changes; `None` leaves it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageChange {
    pub description: Option<String>,
    pub public: Option<bool>,
    pub share_with: Vec<FarmId>,
    pub unshare_with: Vec<FarmId>,
    /// Accounts that no farm has; see [`Image::strangers`](crate::image::Image::strangers).
    pub strangers: Vec<String>,
    pub no_strangers: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBinding {
    pub name: Name,
    pub hook: Hook,
    pub scope: Scope,
    /// `name`, `name@version` or a digest; a bare name means its newest version.
    pub policy: String,
    pub settings: String,
    pub order: u32,
    pub weight: u32,
    pub mode: Mode,
    pub on_error: Fallback,
}

/// What of a binding changes; `None` leaves it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BindingChange {
    pub policy: Option<String>,
    pub settings: Option<String>,
    pub order: Option<u32>,
    pub weight: Option<u32>,
    pub mode: Option<Mode>,
    pub on_error: Option<Fallback>,
    /// Let it out of quarantine.
    pub release: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrialStep {
    Begin(Box<NewTrial>),
    /// The candidate decides for some, or for nobody again.
    Stage(Stage),
    /// The candidate takes the place of the active one.
    Promote,
    Withdraw {
        why: String,
    },
    /// What was active before becomes active again.
    Rollback,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTrial {
    /// None: the component that is active, with other settings.
    pub policy: Option<String>,
    /// None: the settings that are active.
    pub settings: Option<String>,
    pub stage: Stage,
    pub bounds: TrialBounds,
}

/// What a person may do with a stuck operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remedy {
    /// Try the step again.
    Retry,
    /// Go on without it.
    Skip,
    /// It has been done by hand: go on as if it had succeeded.
    Adopt,
    /// Undo what has been done (before the pivot only).
    Cancel,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Power {
    Start,
    Stop,
    Reboot,
    Terminate,
}

/// How a router was found that is not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouterFound {
    /// It has ended, or is not where it should be.
    Gone,
    /// It runs and is not as it was told; the revision that it has, if it says so.
    Other { revision: Option<u64> },
    /// It runs and does not answer, however often it is asked.
    Silent,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    CreateTenant(TenantRequest),
    /// Active or suspended.
    SuspendTenant {
        tenant: TenantId,
        suspended: bool,
    },
    /// Only when it has no farms.
    CloseTenant {
        tenant: TenantId,
    },
    CreateUser {
        tenant: Option<TenantId>,
        name: Name,
        role: Role,
        groups: Vec<Name>,
        ssh_key: Option<String>,
    },
    DeleteUser {
        user: UserId,
    },
    /// `sealed` is its secret, which the caller has made and shows once.
    CreateAccessKey {
        user: UserId,
        farm: Option<FarmId>,
        sealed: String,
    },
    /// The secret of one whose secret nobody has seen is replaced by one that somebody sees now.
    ResealAccessKey {
        key: AccessKeyId,
        sealed: String,
    },
    SetAccessKey {
        key: AccessKeyId,
        disabled: bool,
    },
    DeleteAccessKey {
        key: AccessKeyId,
    },

    CreateFarm(NewFarm),
    DeleteFarm {
        farm: FarmId,
    },
    ApproveFarm {
        farm: FarmId,
        approved: bool,
        note: Option<String>,
    },
    ApproveTenant {
        tenant: TenantId,
        approved: bool,
        note: Option<String>,
    },

    RunInstances {
        farm: FarmId,
        ask: NewInstances,
    },
    Power {
        instances: Vec<InstanceId>,
        power: Power,
    },
    /// While it runs. None: where placement says.
    MigrateInstance {
        instance: InstanceId,
        to: Option<Name>,
    },

    SetInstance {
        instance: InstanceId,
        change: InstanceChange,
    },

    CreateSecurityGroup {
        farm: FarmId,
        name: String,
        description: String,
        rules: Vec<NewRule>,
        tags: BTreeMap<String, String>,
    },
    DeleteSecurityGroup {
        group: SecurityGroupId,
    },
    /// All of them or none.
    AuthorizeRules {
        group: SecurityGroupId,
        rules: Vec<NewRule>,
        tags: BTreeMap<String, String>,
    },
    RevokeRules {
        group: SecurityGroupId,
        rules: Vec<RuleId>,
    },
    ModifyRules {
        group: SecurityGroupId,
        rules: Vec<(RuleId, NewRule)>,
    },

    AddKeyPair {
        farm: FarmId,
        name: String,
        kind: KeyKind,
        fingerprint: String,
        public: String,
        tags: BTreeMap<String, String>,
    },
    DeleteKeyPair {
        pair: KeyPairId,
    },

    /// On every one of these things.
    SetTags {
        farm: FarmId,
        resources: Vec<Resource>,
        tags: BTreeMap<String, String>,
    },
    /// A value: only if the tag has it. No tags: all of them.
    RemoveTags {
        farm: FarmId,
        resources: Vec<Resource>,
        tags: Vec<(String, Option<String>)>,
    },

    CreateVolume {
        farm: FarmId,
        class: Name,
        /// None: as large as the snapshot.
        size: Option<Gib>,
        snapshot: Option<SnapshotId>,
        kind: VolumeKind,
        pace: Pace,
        tags: BTreeMap<String, String>,
    },
    DeleteVolume {
        volume: VolumeId,
    },
    AttachVolume {
        volume: VolumeId,
        instance: InstanceId,
        device: String,
    },
    DetachVolume {
        volume: VolumeId,
    },
    /// Larger only.
    ResizeVolume {
        volume: VolumeId,
        size: Gib,
        kind: Option<VolumeKind>,
        pace: Option<Pace>,
    },
    CreateSnapshot {
        disk: Disk,
        description: String,
        tags: BTreeMap<String, String>,
    },
    DeleteSnapshot {
        snapshot: SnapshotId,
    },
    /// From an instance's disk: a snapshot, and an image of it.
    CreateImage {
        instance: InstanceId,
        title: Title,
        description: String,
        tags: BTreeMap<String, String>,
        snapshot_tags: BTreeMap<String, String>,
    },
    /// Of an image that the farm may launch: its own snapshot, and an image of that.
    CopyImage {
        farm: FarmId,
        image: ImageId,
        title: Title,
        description: String,
        tags: BTreeMap<String, String>,
        snapshot_tags: BTreeMap<String, String>,
    },
    /// Of the farm's own snapshot.
    ImageOfSnapshot {
        farm: FarmId,
        title: Title,
        description: String,
        snapshot: SnapshotId,
        tags: BTreeMap<String, String>,
    },
    SetImage {
        image: ImageId,
        change: ImageChange,
    },

    AllocateAddress {
        farm: FarmId,
        tags: BTreeMap<String, String>,
    },
    /// None: the farm's router.
    AssociateAddress {
        address: AddressId,
        instance: Option<InstanceId>,
    },
    DisassociateAddress {
        address: AddressId,
    },
    ReleaseAddress {
        address: AddressId,
    },
    SetForwards {
        router: RouterId,
        forwards: Vec<NatRule>,
    },
    /// On another host, since its own is down. None: where placement says.
    RebuildRouter {
        router: RouterId,
        to: Option<Name>,
    },

    SetQuota {
        tenant: TenantId,
        class: Option<Name>,
        limit: Amounts,
    },

    PutFlavor {
        name: Name,
        size: Size,
        deprecated: bool,
    },
    DeleteFlavor {
        name: Name,
    },
    RegisterImage {
        name: Name,
        tenant: Option<TenantId>,
        source: String,
        min_disk: Gib,
        sha256: Option<crate::policy::Digest>,
    },
    DeregisterImage {
        image: ImageId,
    },
    /// It is to be on these hosts; none: on all that keep images by themselves.
    SpreadImage {
        image: ImageId,
        to: Vec<HostId>,
    },
    /// It is not to be on this host.
    EvictImage {
        image: ImageId,
        host: HostId,
    },
    PutClass(HostClass),
    PutShare {
        name: Name,
        group: Name,
        lends: bool,
    },
    /// The owner wants its hosts back, or no longer.
    RecallShare {
        share: ShareId,
        recalled: bool,
    },
    AddHost {
        name: Name,
        class: Name,
        share: Option<Name>,
        uri: String,
        capacity: Size,
    },
    /// Up, cordoned or maintenance.
    SetHostState {
        host: HostId,
        state: HostState,
        note: Option<String>,
    },
    /// Only when nothing runs there.
    RemoveHost {
        host: HostId,
    },

    /// Bytes have been checked by the sandbox and are in the store.
    AddPolicy(Box<PolicyVersion>),
    /// What ships with the program, and the first bindings, as one: a first start that is cut short
    /// has made all of them or none.
    FirstPolicies {
        versions: Vec<PolicyVersion>,
        bindings: Vec<NewBinding>,
    },
    RemovePolicy {
        digest: crate::policy::Digest,
    },
    Bind(NewBinding),
    Rebind {
        binding: BindingId,
        change: BindingChange,
    },
    Unbind {
        binding: BindingId,
    },
    /// A candidate for a binding's place: comes, goes further, goes, or goes back.
    Trial {
        binding: BindingId,
        step: TrialStep,
    },
    /// Back to what ships with the program: everything else is switched off.
    PanicPolicies,
    /// Quota for an offer that somebody may yet take.
    HoldOffer {
        tenant: TenantId,
        amounts: Vec<(Option<Name>, Amounts)>,
        expires: Timestamp,
    },
    DropHold {
        hold: HoldId,
    },

    /// Ask planners, and keep what comes of it if it is anything.
    ProposePlan {
        trigger: Trigger,
        /// None: all bindings of the hook.
        binding: Option<Name>,
        /// None: as many as the site allows.
        max_moves: Option<u32>,
    },
    ApprovePlan {
        plan: PlanId,
    },
    RejectPlan {
        plan: PlanId,
        note: Option<String>,
    },
    /// Begins nothing more of it.
    CancelPlan {
        plan: PlanId,
        note: Option<String>,
    },
    /// It takes nothing new, and what runs there goes elsewhere.
    DrainHost {
        host: HostId,
        workers: Workers,
        note: Option<String>,
    },
    /// It is known that nothing runs there any more.
    FenceHost {
        host: HostId,
        by: String,
    },

    Mend {
        operation: OperationId,
        remedy: Remedy,
    },

    /// The site file, at start.
    ApplySite(Box<SiteSpec>),
    /// The sandbox gave up on a binding.
    Quarantine {
        binding: BindingId,
        why: String,
    },
    /// A host answered, or not.
    HostSeen {
        host: HostId,
        up: bool,
        note: Option<String>,
    },
    /// A host told what it is.
    HostDescribed {
        host: HostId,
        facts: Box<crate::host::HostFacts>,
    },
    /// What an image's file is, or why it is of no use.
    ImageChecked {
        image: ImageId,
        found: Result<crate::image::Content, String>,
    },
    /// As many of these copies as still make sense begin.
    BeginCopies(Vec<crate::spread::Copy>),
    ReplicaSeen {
        image: ImageId,
        host: HostId,
        seen: crate::replica::ReplicaSeen,
    },
    /// Reality differs from the rows: an instance is gone or stopped by itself.
    InstanceSeen {
        instance: InstanceId,
        state: crate::instance::InstanceState,
        note: String,
    },
    RouterSeen {
        router: RouterId,
        found: RouterFound,
        note: String,
    },
    /// What programs asked, for the books.
    RecordCalls(Vec<Calls>),
    /// A move of a plan begins.
    RunMove {
        plan: PlanId,
        index: u32,
    },
    /// … or cannot.
    SkipMove {
        plan: PlanId,
        index: u32,
        why: String,
    },
    /// Notes what came of a plan's moves, and ends it if all are over.
    SettlePlan {
        plan: PlanId,
    },
    /// A line of the site's that asks for plans has been seen to.
    NoteTurn {
        name: Name,
        note: String,
    },
    /// Nothing runs any more on a host that was to be emptied.
    EndDrain {
        host: HostId,
    },
    /// What came of switching a host on or off, or of trying to be sure that it is off.
    Switched {
        host: HostId,
        switch: Switch,
        error: Option<String>,
    },
    /// The hosts of a farm do not enforce what its security groups say now.
    FirewallSeen {
        network: NetworkId,
    },
    /// Forget what is over, free what has expired.
    Sweep,
}

/// What came of a command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Id of the thing made or changed, as text.
    pub subject: String,
    /// Ids of the instances made or changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<InstanceId>,
    /// Work that goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<DecisionId>,
    /// A person must approve first.
    #[serde(default)]
    pub pending: bool,
    /// An address that was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<Ipv4Addr>,
    /// Number of the last event of the command.
    #[serde(default)]
    pub seq: u64,
}
