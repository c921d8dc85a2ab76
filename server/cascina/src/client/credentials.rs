//! `cascina farm credentials`: what EC2 clients need, in the forms in which they read it.

use serde_json::{Value, json};

use super::http::Done;
use super::show::{Output, at, print};
use super::{Session, below};

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// For euca2ools: a file below ~/.euca/.
    Ini,
    /// For the AWS CLI and SDKs: a part of ~/.aws/config.
    Profile,
    /// Variables for a shell.
    Env,
}

pub fn get(session: &Session, farm: &str, form: Option<Form>) -> Done {
    let answer = session.client.post(&format!("{}/credentials", below("/v1/farms", farm)), &json!({}))?;
    match (session.output, form) {
        (Output::Json, _) => session.output.said("", &answer),
        (Output::Table, Some(form)) => print(&text(&answer, form)),
        (Output::Table, None) => {
            let forms = [Form::Ini, Form::Profile, Form::Env].map(|form| text(&answer, form));
            print(&format!("# The secret is shown this once; who loses it asks for another.\n\n{}", forms.join("\n")))
        }
    }
}

fn text(answer: &Value, form: Form) -> String {
    let part = |name: &str| at(answer, name).as_str().unwrap_or_default().to_owned();
    let (farm, key, secret) = (part("farm_name"), part("access_key"), part("secret"));
    let (url, region) = (part("url"), part("region"));
    match form {
        Form::Ini => format!(
            "# euca2ools: ~/.euca/{farm}.ini, then `export AWS_DEFAULT_REGION={farm}@{region}`\n\
             [region {region}]\n\
             ec2-url = {url}\n\
             user = {farm}\n\
             \n\
             [user {farm}]\n\
             key-id = {key}\n\
             secret-key = {secret}\n"
        ),
        Form::Profile => format!(
            "# AWS CLI, boto3, Terraform: in ~/.aws/config, then `export AWS_PROFILE={farm}`\n\
             [profile {farm}]\n\
             region = {region}\n\
             endpoint_url = {url}\n\
             aws_access_key_id = {key}\n\
             aws_secret_access_key = {secret}\n"
        ),
        Form::Env => format!(
            "# any shell\n\
             export EC2_URL={url}\n\
             export EC2_ACCESS_KEY={key}\n\
             export EC2_SECRET_KEY={secret}\n\
             export AWS_ENDPOINT_URL_EC2={url}\n\
             export AWS_ACCESS_KEY_ID={key}\n\
             export AWS_SECRET_ACCESS_KEY={secret}\n\
             export AWS_DEFAULT_REGION={region}\n"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form() {
        let answer = json!({
            "farm_name": "alpha", "access_key": "AKIAX", "secret": "s+/", "url": "http://host:7480/", "region": "r-1",
        });
        assert!(text(&answer, Form::Ini).contains("\n[user alpha]\nkey-id = AKIAX\nsecret-key = s+/\n"));
        assert!(
            text(&answer, Form::Profile)
                .contains("\n[profile alpha]\nregion = r-1\nendpoint_url = http://host:7480/\n")
        );
        assert!(text(&answer, Form::Env).contains("\nexport EC2_URL=http://host:7480/\n"));
    }
}
