//! Who may launch an image: some accounts, or everybody.

use std::collections::BTreeSet;

use cascina_core::command::ImageChange;
use cascina_core::image::Image;
use cascina_core::state::State;
use serde::{Deserialize, Serialize};

use crate::account;
use crate::code::Code;
use crate::fault::Fault;
use crate::wire::short;
use crate::wire::xml::Set;

/// `LaunchPermission.Add.1.UserId=…&LaunchPermission.Remove.1.Group=all`
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct LaunchPermission {
    #[serde(default)]
    pub add: Vec<Grantee>,
    #[serde(default)]
    pub remove: Vec<Grantee>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Grantee {
    pub user_id: Option<String>,
    pub group: Option<String>,
}

/// A grantee as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    group: Option<&'static str>,
    user_id: Option<String>,
}

/// All who may launch an image beside its owner.
pub fn of(image: &Image) -> Set<Shown> {
    let all = image.public.then_some(Shown { group: Some("all"), user_id: None });
    let accounts: BTreeSet<String> =
        image.shared.iter().map(|farm| account::of(*farm)).chain(image.strangers.iter().cloned()).collect();
    let accounts = accounts.into_iter().map(|account| Shown { group: None, user_id: Some(account) });
    all.into_iter().chain(accounts).collect()
}

/// What grants of a request come to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Grants {
    accounts: Vec<String>,
    everybody: bool,
}

/// Reads grantees.
///
/// # Errors
///
/// `InvalidAMIAttributeItemValue` for whoever cannot be one.
pub fn grants(grantees: &[Grantee]) -> Result<Grants, Fault> {
    let mut grants = Grants::default();
    let wrong = |kind: &str, value: &str| {
        let text = format!("Invalid attribute item value \"{}\" for {kind} item type.", short(value));
        Err(Code::InvalidAmiAttributeItemValue.fault(text))
    };
    for grantee in grantees {
        match (grantee.user_id.as_deref(), grantee.group.as_deref()) {
            (None, Some("all")) => grants.everybody = true,
            (None, Some(other)) => return wrong("group", other),
            (Some(account), None) if account::is_one(account) => grants.accounts.push(account.to_owned()),
            (Some(other), None) => return wrong("userId", other),
            (Some(_), Some(_)) | (None, None) => {
                let text = "A launch permission names either a UserId or a Group.";
                return Err(Code::InvalidParameterCombination.fault(text));
            }
        }
    }
    Ok(grants)
}

/// The change that adds some and then removes others. An account that nobody has is kept by its number:
/// who is here and who is not, is not for others to find out.
pub fn change(state: &State, add: &Grants, remove: &Grants) -> ImageChange {
    let mut change = ImageChange::default();
    for number in &add.accounts {
        match account::find(state, number) {
            Some(farm) => change.share_with.push(farm.id),
            None => change.strangers.push(number.clone()),
        }
    }
    for number in &remove.accounts {
        change.unshare_with.extend(account::find(state, number).map(|farm| farm.id));
        change.no_strangers.push(number.clone());
    }
    change.public = match (add.everybody, remove.everybody) {
        (_, true) => Some(false),
        (true, false) => Some(true),
        (false, false) => None,
    };
    change
}

/// The change after which only the owner may launch it.
pub fn reset(image: &Image) -> ImageChange {
    ImageChange {
        public: Some(false),
        unshare_with: image.shared.iter().copied().collect(),
        no_strangers: image.strangers.iter().cloned().collect(),
        ..ImageChange::default()
    }
}

#[cfg(test)]
mod tests {
    use cascina_core::id::FarmId;
    use cascina_core::units::Gib;

    use super::*;

    fn user(text: &str) -> Grantee {
        Grantee { user_id: Some(text.into()), group: None }
    }

    fn group(text: &str) -> Grantee {
        Grantee { user_id: None, group: Some(text.into()) }
    }

    #[test]
    fn who_can_be_granted() {
        let accounts = vec!["123456789012".to_owned()];
        assert_eq!(grants(&[user("123456789012"), group("all")]), Ok(Grants { accounts, everybody: true }));
        for wrong in [user("bob"), user("1234-5678-9012"), user(""), group("some")] {
            assert_eq!(grants(&[wrong]).unwrap_err().code, Code::InvalidAmiAttributeItemValue);
        }
        let both = Grantee { user_id: Some("123456789012".into()), group: Some("all".into()) };
        assert_eq!(grants(&[both]).unwrap_err().code, Code::InvalidParameterCombination);
    }

    #[test]
    fn strangers_are_kept_and_taken_away() {
        let state = State::default();
        let grant = grants(&[user("123456789012")]).unwrap();
        let add = change(&state, &grant, &Grants::default());
        assert_eq!((add.strangers.as_slice(), add.public), (&["123456789012".to_owned()][..], None));
        let remove = change(&state, &Grants::default(), &grant);
        assert_eq!(remove.no_strangers, ["123456789012"]);
        let everybody = Grants { everybody: true, ..Grants::default() };
        assert_eq!(change(&state, &everybody, &everybody).public, Some(false));
    }

    #[test]
    fn what_is_shown_and_reset() {
        let name = "mine".parse().unwrap();
        let mut image = Image { public: false, ..Image::of_site(name, "mine.qcow2", Gib(1)) };
        assert!(of(&image).items().is_empty());
        image.shared.insert(FarmId(7));
        image.strangers.insert("999999999999".into());
        image.public = true;
        let shown = of(&image);
        let users: Vec<_> = shown.items().iter().filter_map(|shown| shown.user_id.clone()).collect();
        assert_eq!((shown.items().len(), shown.items()[0].group), (3, Some("all")));
        assert!(users.contains(&account::of(FarmId(7))) && users.contains(&"999999999999".to_owned()));
        let reset = reset(&image);
        assert_eq!((reset.public, reset.unshare_with.len(), reset.no_strangers.len()), (Some(false), 1, 1));
    }
}
