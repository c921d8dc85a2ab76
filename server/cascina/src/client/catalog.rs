//! `cascina flavor …` and `cascina image …`

use serde_json::json;

use super::http::Done;
use super::show::{Output, print};
use super::{Session, below, object};

#[derive(clap::Subcommand)]
pub enum FlavorVerb {
    List,
    Show {
        name: String,
    },
    /// Make one, or change it for what is made from now on.
    Put {
        name: String,
        #[arg(long)]
        vcpus: u32,
        #[arg(long)]
        memory_mib: u64,
        #[arg(long)]
        disk_gib: u64,
        /// Existing instances keep it; new ones are refused.
        #[arg(long)]
        deprecated: bool,
    },
    Delete {
        name: String,
    },
}

#[derive(clap::Subcommand)]
pub enum ImageVerb {
    List,
    /// What it is, and on which hosts it is.
    Show {
        image: String,
    },
    /// Have it copied to hosts before guests need it there: to these, or to all that keep images by themselves.
    Spread {
        image: String,
        hosts: Vec<String>,
    },
    /// Take it off a host on which no disk is laid over it.
    Evict {
        image: String,
        host: String,
    },
    Register {
        name: String,
        /// Where the hosts find it.
        #[arg(long)]
        source: String,
        /// The smallest disk that holds it.
        #[arg(long)]
        min_disk_gib: u64,
        /// Only this tenant's; everybody's if left out.
        #[arg(long)]
        tenant: Option<String>,
        /// What its file must have.
        #[arg(long)]
        sha256: Option<String>,
    },
    /// Existing instances keep it; new ones are refused.
    Deregister {
        image: String,
    },
}

pub fn flavor(session: &Session, verb: FlavorVerb) -> Done {
    const PATH: &str = "/v1/flavors";
    match verb {
        FlavorVerb::List => {
            let columns = [
                ("name", "name"),
                ("vcpus", "vcpus"),
                ("memory MiB", "memory_mib"),
                ("disk GiB", "disk_gib"),
                ("deprecated", "deprecated"),
            ];
            session.list(PATH, &columns)
        }
        FlavorVerb::Show { name } => session.show(&below(PATH, &name)),
        FlavorVerb::Put { name, vcpus, memory_mib, disk_gib, deprecated } => {
            let body =
                json!({"vcpus": vcpus, "memory_mib": memory_mib, "disk_gib": disk_gib, "deprecated": deprecated});
            let answer = session.client.put(&below(PATH, &name), &body)?;
            session.output.said(&format!("flavor {name} is set"), &answer)
        }
        FlavorVerb::Delete { name } => {
            let answer = session.client.delete(&below(PATH, &name))?;
            session.output.said(&format!("flavor {name} is deleted"), &answer)
        }
    }
}

pub fn image(session: &Session, verb: ImageVerb) -> Done {
    const PATH: &str = "/v1/images";
    match verb {
        ImageVerb::List => {
            let columns = [
                ("id", "id"),
                ("name", "name"),
                ("state", "state"),
                ("min disk GiB", "min_disk_gib"),
                ("tenant", "tenant"),
                ("source", "source"),
                ("note", "note"),
            ];
            session.list(PATH, &columns)
        }
        ImageVerb::Show { image } => show_image(session, &below(PATH, &image)),
        ImageVerb::Spread { image, hosts } => {
            let path = format!("{}/spread", below(PATH, &image));
            let answer = session.client.post(&path, &json!({"hosts": hosts}))?;
            session
                .output
                .said(&format!("image {image} is spreading; `cascina image show {image}` says how far"), &answer)
        }
        ImageVerb::Evict { image, host } => {
            let path = format!("{}/evict", below(PATH, &image));
            let answer = session.client.post(&path, &json!({"host": host}))?;
            session.output.said(&format!("image {image} is going from {host}"), &answer)
        }
        ImageVerb::Register { name, source, min_disk_gib, tenant, sha256 } => {
            let body = object([
                ("name", json!(name)),
                ("source", json!(source)),
                ("min_disk_gib", json!(min_disk_gib)),
                ("tenant", json!(tenant)),
                ("sha256", json!(sha256)),
            ]);
            session.output.thing(&session.client.post(PATH, &body)?)
        }
        ImageVerb::Deregister { image } => {
            let answer = session.client.delete(&below(PATH, &image))?;
            session.output.said(&format!("image {image} is deregistered"), &answer)
        }
    }
}

/// Its fields, and below them a table of the hosts.
fn show_image(session: &Session, path: &str) -> Done {
    let image = session.client.get(path)?;
    if session.output == Output::Json {
        return session.output.thing(&image);
    }
    let mut fields = image.clone();
    let replicas = fields.as_object_mut().and_then(|fields| fields.remove("replicas"));
    session.output.thing(&fields)?;
    let replicas = replicas.as_ref().and_then(|all| all.as_array()).cloned().unwrap_or_default();
    if replicas.is_empty() {
        return Ok(());
    }
    print("\n")?;
    let columns = [
        ("host", "host"),
        ("state", "state"),
        ("percent", "percent"),
        ("from", "from"),
        ("updated", "updated"),
        ("note", "note"),
    ];
    session.output.list(&replicas, &columns)
}
