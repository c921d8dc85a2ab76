//! The description of the API. What all operations have in common is added here, once.

use utoipa::OpenApi as _;
use utoipa::openapi::path::{HttpMethod, Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, OpenApi, PathItem, Ref, RefOr, Required, Response, ResponseBuilder};

use crate::problem::Problem;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Cascina",
        description = "Provisioning of virtual farms on private clouds, decided by policies. Errors are problem \
                       details (RFC 9457); everything that changes something takes an Idempotency-Key.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        version = env!("CARGO_PKG_VERSION")
    ),
    components(schemas(Problem))
)]
struct Base;

/// What the routes are added to.
pub fn base() -> OpenApi {
    Base::openapi()
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (HttpMethod, &mut Operation)> {
    [
        (HttpMethod::Get, item.get.as_mut()),
        (HttpMethod::Put, item.put.as_mut()),
        (HttpMethod::Post, item.post.as_mut()),
        (HttpMethod::Delete, item.delete.as_mut()),
        (HttpMethod::Patch, item.patch.as_mut()),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation?)))
}

/// Adds what every operation has: its tag, the variables of its path, the idempotency key, errors.
pub fn complete(api: &mut OpenApi) {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    let components = api.components.get_or_insert_with(Components::new);
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    api.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    for (path, item) in &mut api.paths.paths {
        let noun = path.strip_prefix("/v1/").map_or("server", |rest| rest.split('/').next().unwrap_or(rest));
        for (method, operation) in operations(item) {
            operation.tags = Some(vec![noun.to_owned()]);
            let parameters = operation.parameters.get_or_insert_with(Vec::new);
            let text = || ObjectBuilder::new().schema_type(Type::String);
            for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
                let parameter = ParameterBuilder::new()
                    .name(name)
                    .parameter_in(ParameterIn::Path)
                    .required(Required::True)
                    .description(Some("Id, or name where there is one."))
                    .schema(Some(text()));
                parameters.push(RefOr::T(parameter.build()));
            }
            // A token is no row, and the same component twice is one component.
            if method != HttpMethod::Get && !matches!(path.as_str(), "/v1/tokens" | "/v1/policies") {
                let parameter = ParameterBuilder::new()
                    .name("Idempotency-Key")
                    .parameter_in(ParameterIn::Header)
                    .required(Required::False)
                    .description(Some("Makes repeating the request safe: its work is done once for a key."))
                    .schema(Some(text().min_length(Some(1)).max_length(Some(64))));
                parameters.push(RefOr::T(parameter.build()));
            }
            for response in operation.responses.responses.values_mut() {
                if let RefOr::T(Response { description, .. }) = response
                    && description.is_empty()
                {
                    *description = "Done as asked.".into();
                }
            }
            let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
            let problem = ResponseBuilder::new().description("Not done.").content("application/problem+json", problem);
            operation.responses.responses.insert("default".into(), RefOr::T(problem.build()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_operation_is_described() {
        let mut api = crate::router::routes().to_openapi();
        complete(&mut api);
        let mut ids = BTreeSet::new();
        for (path, item) in &mut api.paths.paths {
            for (_, operation) in operations(item) {
                let id = operation.operation_id.clone().unwrap();
                assert!(operation.summary.is_some(), "{path} {id} has no summary");
                assert!(operation.responses.responses.contains_key("default"), "{path} {id}");
                assert!(ids.insert(id.clone()), "{id} is there twice");
                let declared = operation
                    .parameters
                    .iter()
                    .flatten()
                    .filter(|p| matches!(p, RefOr::T(p) if p.parameter_in == ParameterIn::Path));
                assert_eq!(declared.count(), path.matches('{').count(), "{path} {id}");
            }
        }
        assert!(ids.len() > 70, "{}", ids.len());
    }

    #[test]
    fn nothing_refers_to_what_is_not_there() {
        let mut api = crate::router::routes().to_openapi();
        complete(&mut api);
        let text = api.to_json().unwrap();
        let schemas = &api.components.as_ref().unwrap().schemas;
        for reference in text.split("#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(schemas.contains_key(name), "{name} is not defined");
        }
    }
}
