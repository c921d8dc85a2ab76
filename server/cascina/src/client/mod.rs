//! The command line as a client: a noun a file, everything through the public API.

mod address;
mod catalog;
mod credentials;
mod decision;
mod event;
mod farm;
mod host;
pub mod http;
mod instance;
mod network;
mod operation;
mod plan;
mod policy;
mod problem;
mod progress;
mod quota;
pub mod show;
mod simulation;
mod tenant;
mod trial;
mod user;

use serde_json::Value;

use self::http::{Client, Connection, Done, escaped};
use self::progress::follow;
use self::show::{Output, at};

#[derive(clap::Subcommand)]
pub enum Noun {
    /// Virtual farms: ask for one, follow it, delete it.
    #[command(subcommand)]
    Farm(farm::Verb),
    /// Instances of farms.
    #[command(subcommand)]
    Instance(instance::Verb),
    /// Elastic IPs.
    #[command(subcommand)]
    Address(address::Verb),
    /// Farms' networks.
    #[command(subcommand)]
    Network(network::NetworkVerb),
    /// Farms' routers and their port forwards.
    #[command(subcommand)]
    Router(network::RouterVerb),
    /// Tenants.
    #[command(subcommand)]
    Tenant(tenant::Verb),
    /// Users of tenants and of the site.
    #[command(subcommand)]
    User(user::UserVerb),
    /// Users' access keys.
    #[command(subcommand)]
    Key(user::KeyVerb),
    /// Tokens for this API.
    #[command(subcommand)]
    Token(user::TokenVerb),
    /// Limits, and what of them is used, held and available.
    #[command(subcommand)]
    Quota(quota::Verb),
    /// Sizes that instances come in.
    #[command(subcommand)]
    Flavor(catalog::FlavorVerb),
    /// Images that instances boot from.
    #[command(subcommand)]
    Image(catalog::ImageVerb),
    /// Hosts.
    #[command(subcommand)]
    Host(host::HostVerb),
    /// Classes of hosts.
    #[command(subcommand)]
    Class(host::ClassVerb),
    /// Stakeholders' shares of the hosts.
    #[command(subcommand)]
    Share(host::ShareVerb),
    /// Policies: uploaded components.
    #[command(subcommand)]
    Policy(policy::PolicyVerb),
    /// Bindings: which policy decides what, for whom, with which settings.
    #[command(subcommand)]
    Binding(policy::BindingVerb),
    /// Decisions: what policies were asked, who said what, and why.
    #[command(subcommand)]
    Decision(decision::Verb),
    /// Plans: what should move, and what came of it.
    #[command(subcommand)]
    Plan(plan::Verb),
    /// Offers that came with a refusal.
    #[command(subcommand)]
    Offer(operation::OfferVerb),
    /// Operations: work under way, done, failed or stuck.
    #[command(subcommand)]
    Operation(operation::Verb),
    /// What has happened, and what happens.
    #[command(subcommand)]
    Event(event::Verb),
    /// Simulated hosts: break them, and look at what is on them.
    #[command(subcommand)]
    Simulation(simulation::Verb),
    /// Who the token says that you are.
    Whoami,
}

/// What every command needs.
pub struct Session {
    pub client: Client,
    pub output: Output,
}

pub fn run(noun: Noun, connection: &Connection, output: Output) -> Done {
    // What needs no server must not ask for a token.
    let noun = match noun {
        Noun::Policy(policy::PolicyVerb::Workbench(verb)) => return crate::workbench::run(verb, output),
        noun => noun,
    };
    let session = Session { client: Client::new(connection)?, output };
    match noun {
        Noun::Farm(verb) => farm::run(&session, verb),
        Noun::Instance(verb) => instance::run(&session, verb),
        Noun::Address(verb) => address::run(&session, verb),
        Noun::Network(verb) => network::network(&session, verb),
        Noun::Router(verb) => network::router(&session, verb),
        Noun::Tenant(verb) => tenant::run(&session, verb),
        Noun::User(verb) => user::user(&session, verb),
        Noun::Key(verb) => user::key(&session, verb),
        Noun::Token(verb) => user::token(&session, verb),
        Noun::Quota(verb) => quota::run(&session, verb),
        Noun::Flavor(verb) => catalog::flavor(&session, verb),
        Noun::Image(verb) => catalog::image(&session, verb),
        Noun::Host(verb) => host::host(&session, verb),
        Noun::Class(verb) => host::class(&session, verb),
        Noun::Share(verb) => host::share(&session, verb),
        Noun::Policy(verb) => policy::policy(&session, verb),
        Noun::Binding(verb) => policy::binding(&session, verb),
        Noun::Decision(verb) => decision::run(&session, verb),
        Noun::Plan(verb) => plan::run(&session, verb),
        Noun::Offer(verb) => operation::offer(&session, verb),
        Noun::Operation(verb) => operation::run(&session, verb),
        Noun::Event(verb) => event::run(&session, verb),
        Noun::Simulation(verb) => simulation::run(&session, verb),
        Noun::Whoami => session.show("/v1/whoami"),
    }
}

#[derive(Debug, Clone, clap::Args)]
pub struct Wait {
    /// Come back as soon as the request is accepted, without following its steps.
    #[arg(long)]
    no_wait: bool,
}

impl Session {
    fn list(&self, path: &str, columns: &[(&str, &str)]) -> Done {
        self.output.list(&self.client.list(path)?, columns)
    }

    fn show(&self, path: &str) -> Done {
        self.output.thing(&self.client.get(path)?)
    }

    /// Follows the operation that an answer speaks of, if there is one and the caller wants it.
    fn settle(&self, what: &str, answer: &Value, wait: &Wait) -> Done {
        let operation = at(answer, "operation");
        let id = operation.as_str().or_else(|| at(operation, "id").as_str());
        let Some(id) = id else { return self.output.said(what, answer) };
        if wait.no_wait {
            return self.output.said(&format!("{what}: operation {id} goes on"), answer);
        }
        if self.output == Output::Table {
            show::print(&format!("{what} (operation {id})\n"))?;
        }
        follow(&self.client, self.output, id)?.good(what, id)?;
        match self.output {
            Output::Table => show::print(&format!("{what}: done\n")),
            Output::Json => self.output.thing(answer),
        }
    }
}

/// `key=value` as people give labels and the like.
fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is not of the form key=value"))?;
    Ok((key.to_owned(), value.to_owned()))
}

/// JSON given on the command line, or `@file`.
pub fn json(text: &str) -> Result<Value, String> {
    let text = match text.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"))?,
        None => text.to_owned(),
    };
    serde_json::from_str(&text).map_err(|error| format!("not JSON: {error}"))
}

/// Leaves out what was not given.
fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Object(
        fields.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.to_owned(), value)).collect(),
    )
}

fn below(path: &str, id: &str) -> String {
    format!("{path}/{}", escaped(id))
}
