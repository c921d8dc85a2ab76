//! Flavors and images.

use axum::Json;
use axum::extract::State;
use cascina_core::command::Command;
use cascina_core::name::Name;
use cascina_core::policy::Digest;
use cascina_core::units::{Gib, Size};

use super::user::in_field;
use super::{Answer, done, made};
use crate::auth::Caller;
use crate::find;
use crate::idempotency::{Ask, Nothing};
use crate::page::{Asked, At, Page, PageQuery, page};
use crate::problem::Problem;
use crate::router::App;
use crate::wire::Outcome;
use crate::wire::catalog::{EvictFrom, Flavor, Image, ImageOnHosts, NewFlavor, NewImage, Replica, SpreadTo};

/// A name out of a path.
pub fn name(field: &str, text: &str) -> Result<Name, Problem> {
    let allowed = "1 to 63 of a-z, 0-9, `.` and `-`, beginning with a letter or digit";
    text.parse().map_err(|_| Problem::invalid(field, text, allowed))
}

/// List flavors.
#[utoipa::path(get, path = "/v1/flavors", params(PageQuery), responses((status = 200, body = Page<Flavor>)))]
pub async fn list_flavors(
    State(app): State<App>,
    _: Caller,
    Asked(query): Asked<PageQuery>,
) -> Result<Json<Page<Flavor>>, Problem> {
    page(&app, &query, |state| &state.rows.flavors, |_, _| true, |_, _| (), |row, ()| Flavor::from(row)).map(Json)
}

/// Show a flavor.
#[utoipa::path(get, path = "/v1/flavors/{flavor}", responses((status = 200, body = Flavor)))]
pub async fn show_flavor(State(app): State<App>, _: Caller, At(text): At) -> Result<Json<Flavor>, Problem> {
    let row = app.engine.read(|state| find::flavor(state, &text))?;
    Ok(Json(Flavor::from(&*row)))
}

/// Make or change a flavor.
#[utoipa::path(put, path = "/v1/flavors/{flavor}", request_body = NewFlavor, responses((status = 200, body = Outcome)))]
pub async fn put_flavor(State(app): State<App>, At(text): At, ask: Ask<NewFlavor>) -> Answer {
    let NewFlavor { vcpus, memory_mib, disk_gib, deprecated } = ask.body;
    let size = Size::new(vcpus, memory_mib, disk_gib);
    let command = Command::PutFlavor { name: name("flavor", &text)?, size, deprecated };
    Ok(done(&ask.submit(&app, command).await?))
}

/// Delete a flavor.
#[utoipa::path(delete, path = "/v1/flavors/{flavor}", responses((status = 200, body = Outcome)))]
pub async fn delete_flavor(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    let name = app.engine.read(|state| find::flavor(state, &text))?.name.clone();
    Ok(done(&ask.submit(&app, Command::DeleteFlavor { name }).await?))
}

/// List images.
#[utoipa::path(get, path = "/v1/images", params(PageQuery), responses((status = 200, body = Page<Image>)))]
pub async fn list_images(
    State(app): State<App>,
    Caller(who): Caller,
    Asked(query): Asked<PageQuery>,
) -> Result<Json<Page<Image>>, Problem> {
    let keep = |_: &_, row: &_| find::sees_image(&who, row);
    page(&app, &query, |state| &state.rows.images, keep, |_, _| (), |row, ()| Image::from(row)).map(Json)
}

fn digest(text: &str) -> Result<Digest, Problem> {
    text.parse().map_err(|_| Problem::invalid("sha256", text, "64 of 0-9 and a-f"))
}

/// Register an image that the hosts can find.
#[utoipa::path(post, path = "/v1/images", request_body = NewImage, responses((status = 201, body = Image)))]
pub async fn register_image(State(app): State<App>, ask: Ask<NewImage>) -> Answer {
    let NewImage { name, tenant, source, min_disk_gib, sha256 } = &ask.body;
    let sha256 = sha256.as_deref().map(digest).transpose()?;
    let tenant = match tenant {
        Some(text) => {
            let found = app.engine.read(|state| find::tenant(state, &ask.who, text));
            Some(found.map_err(|refusal| in_field("tenant", text, refusal))?.id)
        }
        None => ask.who.tenant,
    };
    let (name, source, min_disk) = (name.clone(), source.clone(), Gib(*min_disk_gib));
    let outcome = ask.submit(&app, Command::RegisterImage { name, tenant, source, min_disk, sha256 }).await?;
    let row = outcome.subject.parse().ok().and_then(|id| app.engine.read(|state| state.rows.images.get(&id).cloned()));
    Ok(made(&outcome, "/v1/images", row.map(|row| Image::from(&*row))))
}

/// Show an image, and where it is.
#[utoipa::path(get, path = "/v1/images/{image}", responses((status = 200, body = ImageOnHosts)))]
pub async fn show_image(
    State(app): State<App>,
    Caller(who): Caller,
    At(text): At,
) -> Result<Json<ImageOnHosts>, Problem> {
    let shown = app.engine.read(|state| {
        let row = find::image(state, &who, &text)?;
        let name = |id| state.rows.hosts.get(&id).map_or_else(|| id.to_string(), |host| host.name.to_string());
        let sees = |id| state.rows.hosts.get(&id).is_some_and(|host| find::sees_host(state, &who, host));
        let replicas = state.replicas_of(row.id).filter(|copy| sees(copy.host)).map(|copy| Replica::of(copy, name));
        Ok::<_, Problem>(ImageOnHosts { image: Image::from(&*row), replicas: replicas.collect() })
    })?;
    Ok(Json(shown))
}

/// Have an image copied to hosts before guests need it there.
#[utoipa::path(post, path = "/v1/images/{image}/spread", request_body = SpreadTo, responses((status = 200, body = Outcome)))]
pub async fn spread_image(State(app): State<App>, At(text): At, ask: Ask<SpreadTo>) -> Answer {
    let command = app.engine.read(|state| {
        let image = find::image(state, &ask.who, &text)?.id;
        let host = |text: &String| {
            let found = find::host(state, &ask.who, text);
            found.map(|host| host.id).map_err(|refusal| in_field("hosts", text, refusal))
        };
        let to = ask.body.hosts.iter().map(host).collect::<Result<Vec<_>, _>>()?;
        Ok::<_, Problem>(Command::SpreadImage { image, to })
    })?;
    Ok(done(&ask.submit(&app, command).await?))
}

/// Take an image off a host on which no disk is laid over it.
#[utoipa::path(post, path = "/v1/images/{image}/evict", request_body = EvictFrom, responses((status = 200, body = Outcome)))]
pub async fn evict_image(State(app): State<App>, At(text): At, ask: Ask<EvictFrom>) -> Answer {
    let command = app.engine.read(|state| {
        let image = find::image(state, &ask.who, &text)?.id;
        let text = &ask.body.host;
        let host = find::host(state, &ask.who, text).map_err(|refusal| in_field("host", text, refusal))?.id;
        Ok::<_, Problem>(Command::EvictImage { image, host })
    })?;
    Ok(done(&ask.submit(&app, command).await?))
}

/// Deregister an image; instances keep what they have of it.
#[utoipa::path(delete, path = "/v1/images/{image}", responses((status = 200, body = Outcome)))]
pub async fn deregister_image(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    let image = app.engine.read(|state| find::image(state, &ask.who, &text))?.id;
    Ok(done(&ask.submit(&app, Command::DeregisterImage { image }).await?))
}
