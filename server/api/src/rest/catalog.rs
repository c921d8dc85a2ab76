//! Flavors and images.

use axum::Json;
use axum::extract::State;
use cascina_core::command::Command;
use cascina_core::name::Name;
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
use crate::wire::catalog::{Flavor, Image, NewFlavor, NewImage};

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

/// Register an image that the hosts can find.
#[utoipa::path(post, path = "/v1/images", request_body = NewImage, responses((status = 201, body = Image)))]
pub async fn register_image(State(app): State<App>, ask: Ask<NewImage>) -> Answer {
    let NewImage { name, tenant, source, min_disk_gib } = &ask.body;
    let tenant = match tenant {
        Some(text) => {
            let found = app.engine.read(|state| find::tenant(state, &ask.who, text));
            Some(found.map_err(|refusal| in_field("tenant", text, refusal))?.id)
        }
        None => ask.who.tenant,
    };
    let (name, source, min_disk) = (name.clone(), source.clone(), Gib(*min_disk_gib));
    let outcome = ask.submit(&app, Command::RegisterImage { name, tenant, source, min_disk }).await?;
    let row = outcome.subject.parse().ok().and_then(|id| app.engine.read(|state| state.rows.images.get(&id).cloned()));
    Ok(made(&outcome, "/v1/images", row.map(|row| Image::from(&*row))))
}

/// Show an image.
#[utoipa::path(get, path = "/v1/images/{image}", responses((status = 200, body = Image)))]
pub async fn show_image(State(app): State<App>, Caller(who): Caller, At(text): At) -> Result<Json<Image>, Problem> {
    let row = app.engine.read(|state| find::image(state, &who, &text))?;
    Ok(Json(Image::from(&*row)))
}

/// Deregister an image; instances keep what they have of it.
#[utoipa::path(delete, path = "/v1/images/{image}", responses((status = 200, body = Outcome)))]
pub async fn deregister_image(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    let image = app.engine.read(|state| find::image(state, &ask.who, &text))?.id;
    Ok(done(&ask.submit(&app, Command::DeregisterImage { image }).await?))
}
