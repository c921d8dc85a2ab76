//! Credits of instances that may run faster for a while: no flavor is of that kind.

use cascina_core::id::InstanceId;
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::filter::{Columns, Filter, Filters};
use crate::ids;
use crate::noun::Noun;
use crate::page;
use crate::wire::xml::Set;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DescribeInstanceCreditSpecifications {
    #[serde(default)]
    instance_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreditSpecifications {
    instance_credit_specification_set: Set<()>,
}

const CREDITS: Columns<'_, ()> = Columns { columns: &[("instance-id", |()| Vec::new())], tags: None };

pub async fn describe_instance_credit_specifications(
    call: Call,
    request: DescribeInstanceCreditSpecifications,
) -> Result<CreditSpecifications, Fault> {
    let named = &request.instance_id;
    Filters::new(&request.filter, &CREDITS)?;
    call.page::<InstanceId>(request.max_results, request.next_token.as_deref(), !named.is_empty(), page::USUAL)?;
    for text in named {
        let id = ids::read(Noun::Instance, InstanceId::PREFIX, text)?;
        if call.engine.read(|state| state.rows.instances.get(&id).is_none_or(|row| row.farm != call.farm)) {
            return Err(Noun::Instance.not_found(text));
        }
    }
    match named.first() {
        Some(id) => Err(Code::InstanceCreditSpecificationNotSupported
            .fault(format!("The instance '{id}' is not of a type that has credits."))),
        None => Ok(CreditSpecifications { instance_credit_specification_set: Set::default() }),
    }
}
