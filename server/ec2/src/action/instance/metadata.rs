//! Whether and how the metadata service answers an instance.

use cascina_core::command::Command;
use cascina_core::launch::InstanceChange;
use cascina_core::metadata::{HopLimit, MetadataChange, MetadataOptions, MetadataTokens};
use serde::{Deserialize, Serialize};

use super::{find, id};
use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::settings::Settings;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Switch {
    Enabled,
    Disabled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Tokens {
    Optional,
    Required,
}

/// As clients say it, at launch and later.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct MetadataRequest {
    http_endpoint: Option<Switch>,
    http_tokens: Option<Tokens>,
    http_put_response_hop_limit: Option<i64>,
    http_protocol_ipv6: Option<Switch>,
    instance_metadata_tags: Option<Switch>,
}

impl MetadataRequest {
    /// # Errors
    ///
    /// What is not here, and a number of hops that is none.
    pub fn change(&self, settings: &Settings) -> Result<MetadataChange, Fault> {
        let enabled = Some(Switch::Enabled);
        if self.http_endpoint == enabled && !settings.metadata {
            return Err(Code::UnsupportedOperation.fault("There is no metadata service here."));
        }
        for (what, asked) in [
            ("HttpProtocolIpv6=enabled", self.http_protocol_ipv6 == enabled),
            ("InstanceMetadataTags=enabled", self.instance_metadata_tags == enabled),
        ] {
            if asked {
                return Err(Code::UnsupportedOperation.fault(format!("{what} is not supported here.")));
            }
        }
        let hops = |hops: i64| {
            HopLimit::new(hops).map_err(|_| {
                let allowed = format!("It should be 1 to {}", HopLimit::MOST);
                Fault::invalid("HttpPutResponseHopLimit", &hops.to_string(), &allowed)
            })
        };
        Ok(MetadataChange {
            enabled: self.http_endpoint.map(|switch| switch == Switch::Enabled),
            tokens: self.http_tokens.map(|tokens| match tokens {
                Tokens::Optional => MetadataTokens::Optional,
                Tokens::Required => MetadataTokens::Required,
            }),
            hop_limit: self.http_put_response_hop_limit.map(hops).transpose()?,
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ModifyInstanceMetadataOptions {
    instance_id: String,
    http_endpoint: Option<Switch>,
    http_tokens: Option<Tokens>,
    http_put_response_hop_limit: Option<i64>,
    http_protocol_ipv6: Option<Switch>,
    instance_metadata_tags: Option<Switch>,
}

pub async fn modify_instance_metadata_options(
    call: Call,
    request: ModifyInstanceMetadataOptions,
) -> Result<Modified, Fault> {
    let ModifyInstanceMetadataOptions {
        instance_id,
        http_endpoint,
        http_tokens,
        http_put_response_hop_limit,
        http_protocol_ipv6,
        instance_metadata_tags,
    } = request;
    let asked = MetadataRequest {
        http_endpoint,
        http_tokens,
        http_put_response_hop_limit,
        http_protocol_ipv6,
        instance_metadata_tags,
    };
    let id = id(&instance_id)?;
    let now = call.engine.read(|state| find(state, call.farm, id).map(|row| row.metadata))?;
    let metadata = asked.change(&call.settings)?;
    let wanted = now.with(&metadata);
    if wanted != now || call.dry_run {
        let change = InstanceChange { metadata, ..InstanceChange::default() };
        call.submit(Command::SetInstance { instance: id, change }, Code::IncorrectInstanceState).await?;
    }
    let instance_metadata_options = MetadataView::new(wanted, call.settings.metadata);
    Ok(Modified { instance_id, instance_metadata_options })
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Modified {
    instance_id: String,
    instance_metadata_options: MetadataView,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MetadataView {
    state: &'static str,
    http_tokens: &'static str,
    http_put_response_hop_limit: u8,
    http_endpoint: &'static str,
    http_protocol_ipv6: &'static str,
    instance_metadata_tags: &'static str,
}

impl MetadataView {
    /// What was said, but that a service which is not there answers nobody.
    pub fn new(options: MetadataOptions, service: bool) -> MetadataView {
        MetadataView {
            state: "applied",
            http_tokens: options.tokens.as_str(),
            http_put_response_hop_limit: options.hop_limit.get(),
            http_endpoint: if options.enabled && service { "enabled" } else { "disabled" },
            http_protocol_ipv6: "disabled",
            instance_metadata_tags: "disabled",
        }
    }
}
