//! Lists images.

use cascina_core::id::ImageId;
use cascina_core::image::{Image, ImageState};
use cascina_core::state::State;
use serde::{Deserialize, Serialize};

use super::view::{BlockDevice, ImageView};
use super::{find, id, owner};
use crate::account::{self, Accounts};
use crate::call::Call;
use crate::fault::Fault;
use crate::filter::{Columns, Filter, Filters, Values, maybe, one, text};
use crate::page;
use crate::wire::xml::Set;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DescribeImages {
    #[serde(default)]
    image_id: Vec<String>,
    #[serde(default)]
    owner: Vec<String>,
    #[serde(default)]
    executable_by: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    max_results: Option<i64>,
    next_token: Option<String>,
    /// There are none that would not be shown without it.
    #[serde(rename = "IncludeDeprecated")]
    _include_deprecated: Option<bool>,
    #[serde(rename = "IncludeDisabled")]
    _include_disabled: Option<bool>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Images {
    images_set: Set<ImageView>,
    next_token: Option<String>,
}

fn disks(row: &ImageView, of: impl Fn(&BlockDevice) -> String) -> Values<'_> {
    row.block_device_mapping.items().iter().map(|disk| of(disk).into()).collect()
}

/// As Amazon has it. What cannot be here, such as a kernel of its own, matches nothing.
const COLUMNS: Columns<'_, ImageView> = Columns {
    columns: &[
        ("architecture", |row| one(row.architecture)),
        ("block-device-mapping.delete-on-termination", |row| {
            disks(row, |disk| disk.ebs.delete_on_termination.to_string())
        }),
        ("block-device-mapping.device-name", |row| disks(row, |disk| disk.device_name.into())),
        ("block-device-mapping.encrypted", |row| disks(row, |disk| disk.ebs.encrypted.to_string())),
        ("block-device-mapping.snapshot-id", |row| disks(row, |disk| disk.ebs.snapshot_id.to_string())),
        ("block-device-mapping.volume-size", |row| disks(row, |disk| disk.ebs.volume_size.to_string())),
        ("block-device-mapping.volume-type", |row| disks(row, |disk| disk.ebs.volume_type.into())),
        ("boot-mode", |_| Vec::new()),
        ("creation-date", |row| text(row.creation_date)),
        ("description", |row| one(&row.description)),
        ("ena-support", |row| text(row.ena_support)),
        ("hypervisor", |row| one(row.hypervisor)),
        ("image-id", |row| text(row.image_id)),
        ("image-type", |row| one(row.image_type)),
        ("is-public", |row| text(row.is_public)),
        ("kernel-id", |_| Vec::new()),
        ("manifest-location", |row| one(&row.image_location)),
        ("name", |row| one(&row.name)),
        ("owner-alias", |_| Vec::new()),
        ("owner-id", |row| one(&row.image_owner_id)),
        ("platform", |_| Vec::new()),
        ("platform-details", |row| one(row.platform_details)),
        ("product-code", |_| Vec::new()),
        ("product-code.type", |_| Vec::new()),
        ("ramdisk-id", |_| Vec::new()),
        ("root-device-name", |row| one(row.root_device_name)),
        ("root-device-type", |row| one(row.root_device_type)),
        ("sriov-net-support", |_| Vec::new()),
        ("state", |row| one(row.image_state)),
        ("state-reason-code", |row| maybe(row.state_reason.as_ref().map(|reason| reason.code))),
        ("state-reason-message", |row| maybe(row.state_reason.as_ref().map(|reason| reason.message.as_str()))),
        ("usage-operation", |row| one(row.usage_operation)),
        ("virtualization-type", |row| one(row.virtualization_type)),
    ],
    tags: Some(|row| row.tag_set.pairs()),
};

pub async fn describe_images(call: Call, request: DescribeImages) -> Result<Images, Fault> {
    let mut named = request.image_id.iter().map(|text| id(text)).collect::<Result<Vec<_>, _>>()?;
    named.sort_unstable();
    named.dedup();
    let owners = Accounts::new(&call, &request.owner)?;
    let launchers = Accounts::new(&call, &request.executable_by)?;
    let filters = Filters::new(&request.filter, &COLUMNS)?;
    let page = call.page(request.max_results, request.next_token.as_deref(), !named.is_empty(), page::USUAL)?;
    let rows = call.engine.read(|state| {
        let wanted = |image: &&Image| {
            (request.owner.is_empty() || owners.has(&owner(image, &call)))
                && (request.executable_by.is_empty() || launched_by(state, image, &launchers))
        };
        let rows = select(state, &call, &named)?;
        let views = rows.into_iter().filter(wanted).map(|image| ImageView::of(state, &call, image));
        Ok::<Vec<_>, Fault>(views.collect())
    })?;
    let rows = rows.into_iter().filter(|row| filters.accept(row));
    let (rows, next_token) = page.cut(rows.map(|row| (row.image_id, row)));
    Ok(Images { images_set: rows.into(), next_token })
}

/// All that the farm can see, or those that are named, in the order of their ids.
fn select<'a>(state: &'a State, call: &Call, named: &[ImageId]) -> Result<Vec<&'a Image>, Fault> {
    if !named.is_empty() {
        return named.iter().map(|id| find(state, call, *id)).collect();
    }
    let seen = |image: &&Image| image.state != ImageState::Deprecated && image.is_for(call.farm, call.tenant);
    Ok(state.rows.images.values().map(AsRef::as_ref).filter(seen).collect())
}

/// Whether these accounts were named as ones that may launch it, or everybody was.
fn launched_by(state: &State, image: &Image, accounts: &Accounts) -> bool {
    let named = |number: &str| {
        let farm = account::find(state, number);
        image.strangers.contains(number) || farm.is_some_and(|farm| image.shared.contains(&farm.id))
    };
    (accounts.all && image.public) || accounts.numbers().any(named)
}
