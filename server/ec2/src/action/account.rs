//! What an account may have: the quotas of the farm's tenant.

use cascina_core::decision::Amounts;
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::fault::Fault;
use crate::wire::xml::Set;

/// What clients get where there is no limit: they read it as a number.
const MANY: u64 = 1_000_000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DescribeAccountAttributes {
    #[serde(default)]
    attribute_name: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attributes {
    account_attribute_set: Set<Attribute>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Attribute {
    attribute_name: &'static str,
    attribute_value_set: Set<AttributeValue>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AttributeValue {
    attribute_value: String,
}

pub async fn describe_account_attributes(call: Call, request: DescribeAccountAttributes) -> Result<Attributes, Fault> {
    let (limit, network) = call.engine.read(|state| {
        // The tenant as a whole comes first.
        let limit = state.usage(call.tenant, call.now).first().map_or(Amounts::UNLIMITED, |usage| usage.limit);
        (limit, state.indexes.networks_by_farm.of(&call.farm).next())
    });
    let number = |amount: u64| amount.min(MANY).to_string();
    let addresses = number(limit.addresses.into());
    let all = [
        ("supported-platforms", "VPC".to_owned()),
        ("default-vpc", network.map_or("none".to_owned(), |id| id.to_string())),
        ("max-instances", number(limit.instances.into())),
        ("max-elastic-ips", addresses.clone()),
        ("vpc-max-elastic-ips", addresses),
        ("vpc-max-security-groups-per-interface", cascina_core::security_group::MOST_OF_INSTANCE.to_string()),
        // Of our own: Amazon has no such limits.
        ("max-vcpus", number(limit.vcpus.into())),
        ("max-memory-mib", number(limit.memory_mib)),
        ("max-disk-gib", number(limit.disk_gib)),
    ];
    let wanted = &request.attribute_name;
    if let Some(unknown) = wanted.iter().find(|name| !all.iter().any(|(known, _)| known == name)) {
        let known: Vec<_> = all.iter().map(|(name, _)| *name).collect();
        return Err(Fault::invalid("AttributeName", unknown, &format!("Allowed values are: {}", known.join(", "))));
    }
    let all = all.into_iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name));
    let attribute = |(attribute_name, attribute_value)| Attribute {
        attribute_name,
        attribute_value_set: [AttributeValue { attribute_value }].into_iter().collect(),
    };
    Ok(Attributes { account_attribute_set: all.map(attribute).collect() })
}
