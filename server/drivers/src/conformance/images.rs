//! Images that are copied to hosts before guests need them.

use cascina_core::image::Content;
use cascina_core::policy::Digest;

use super::{Run, Trial, Violation};
use crate::{Copied, HostCall, HostRef, Hypervisor, Reply};

/// Like [`check`](super::check), between two hosts that keep images by themselves: the trial's image goes to
/// the first from where all hosts get it, and to the second from the first. Neither may have it. Leaves it on
/// neither.
pub async fn check_images(driver: &dyn Hypervisor, hosts: [&HostRef; 2], trial: &Trial) -> Vec<Violation> {
    let [mut one, mut two] = hosts.map(|host| Run { driver, host, trial, has_store: false, violations: Vec::new() });
    let image = &trial.instance_image;
    let check = |sha256| HostCall::CheckImage { image: image.clone(), sha256 };
    let absent = HostCall::CheckImage { image: "conformance-nowhere/../x:".into(), sha256: Some(Digest([1; 32])) };
    one.refused("an image that is not there is of no use", &absent).await;
    one.refused("an image with another digest is of no use", &check(Some(Digest([1; 32])))).await;
    let Some(content) = one.content("an image can be checked", &check(None)).await else { return one.violations };
    let again = one.content("an image can be checked for its digest", &check(Some(content.digest))).await;
    if again.as_ref() != Some(&content) {
        one.violation("an image that did not change is the same", format!("{content:?} and then {again:?}"));
    }

    let copy = |content: &Content, from: Option<&HostRef>| HostCall::CopyImage {
        image: image.clone(),
        content: content.clone(),
        from: from.cloned(),
    };
    let drop = HostCall::DropImage { image: image.clone(), content: content.clone() };
    one.has_image("a host begins without the trial's image", content.digest, false).await;
    one.twice("an image that is not there can be dropped", &drop).await;
    one.refused("a host that does not have an image is no source of it", &copy(&content, Some(hosts[1]))).await;
    let other = Content { digest: Digest([1; 32]), ..content.clone() };
    one.refused("an image that is another now is not copied", &copy(&other, None)).await;
    one.has_image("what was refused is not there", content.digest, false).await;

    one.copied("an image can be copied", &copy(&content, None), content.bytes).await;
    one.has_image("an image that was copied is there", content.digest, true).await;
    one.copied("an image can be copied twice", &copy(&content, None), content.bytes).await;
    two.has_image("it is not on the other host", content.digest, false).await;
    two.copied("an image can be copied from a host", &copy(&content, Some(hosts[0])), content.bytes).await;
    two.has_image("an image that came from a host is there", content.digest, true).await;

    let define = two.define_network();
    two.done("a network can be defined", &define).await;
    let (spec, guest) = (trial.instance.clone(), trial.instance.guest);
    let wrong = HostCall::StageDisk { spec: spec.clone(), image: image.clone(), sha256: Some(Digest([1; 32])) };
    two.refused("no disk is made of an image with another digest", &wrong).await;
    two.guest_is("what was refused is not staged", guest, None).await;
    let stage = HostCall::StageDisk { spec, image: image.clone(), sha256: Some(content.digest) };
    two.done("a disk can be made of an image that was copied", &stage).await;
    two.refused("an image below a disk is not dropped", &drop).await;
    two.has_image("an image below a disk stays", content.digest, true).await;
    two.done("the disk can be destroyed", &HostCall::Destroy { guest }).await;
    let remove = two.remove_network();
    two.done("the network can be removed", &remove).await;

    for run in [&mut one, &mut two] {
        run.twice("an image can be dropped, twice", &drop).await;
        run.has_image("an image that was dropped is not there", content.digest, false).await;
    }
    one.violations.append(&mut two.violations);
    one.violations
}

impl Run<'_> {
    async fn content(&mut self, rule: &'static str, call: &HostCall) -> Option<Content> {
        match self.ask(call).await {
            Ok(Reply::Image(content)) => return Some(*content),
            Ok(other) => self.violation(rule, format!("the answer was {other:?}")),
            Err(error) => self.violation(rule, error.to_string()),
        }
        None
    }

    /// Until it is whole; each call gets further.
    async fn copied(&mut self, rule: &'static str, call: &HostCall, bytes: u64) {
        let mut before = None;
        let begun = std::time::Instant::now();
        while begun.elapsed() < self.trial.patience {
            match self.ask(call).await {
                Ok(Reply::Copied(Copied { done, whole: true })) if done == bytes => return,
                Ok(Reply::Copied(Copied { done, whole: false }))
                    if done <= bytes && before.is_none_or(|before| before < done) =>
                {
                    before = Some(done);
                }
                Ok(other) => return self.violation(rule, format!("after {before:?} bytes, the answer was {other:?}")),
                Err(error) => return self.violation(rule, error.to_string()),
            }
        }
        self.violation(rule, format!("it is not whole after {:?}", self.trial.patience));
    }

    async fn has_image(&mut self, rule: &'static str, digest: Digest, has: bool) {
        let Some(inventory) = self.inventory(rule).await else { return };
        match &inventory.images {
            Some(images) if images.contains(&digest) == has => {}
            other => self.violation(rule, format!("{digest} should be there: {has}; the inventory has {other:?}")),
        }
    }
}
