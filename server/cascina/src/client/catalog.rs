//! `cascina flavor …` and `cascina image …`

use serde_json::json;

use super::http::Done;
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
    Show {
        image: String,
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
            ];
            session.list(PATH, &columns)
        }
        ImageVerb::Show { image } => session.show(&below(PATH, &image)),
        ImageVerb::Register { name, source, min_disk_gib, tenant } => {
            let body = object([
                ("name", json!(name)),
                ("source", json!(source)),
                ("min_disk_gib", json!(min_disk_gib)),
                ("tenant", json!(tenant)),
            ]);
            session.output.thing(&session.client.post(PATH, &body)?)
        }
        ImageVerb::Deregister { image } => {
            let answer = session.client.delete(&below(PATH, &image))?;
            session.output.said(&format!("image {image} is deregistered"), &answer)
        }
    }
}
