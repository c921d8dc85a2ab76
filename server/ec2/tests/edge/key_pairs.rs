//! Key pairs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::site::TestSite;

const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINx/dCIhY1V/6NVv/QvUrt5Wm+Pwv7qFuvmMMrr7t4On";
const OF_ED25519: &str = "CRODpyIGfYXApntF8Ftfh5yZjYvmRpbwEZOZMlTQdiU=";

#[tokio::test]
async fn one_made_here() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let ask = async |params: &[(&str, &str)]| farm.client.call("CreateKeyPair", params).await;
    let dry = ask(&[("KeyName", "Test key"), ("DryRun", "true")]).await;
    assert_eq!(dry.code(412), "DryRunOperation");
    let made = ask(&[
        ("KeyName", "Test key"),
        ("TagSpecification.1.ResourceType", "key-pair"),
        ("TagSpecification.1.Tag.1.Key", "a"),
    ]);
    let made = made.await;
    made.good();
    assert!(made.element("keyMaterial").starts_with("-----BEGIN RSA PRIVATE KEY-----\n"));
    assert_eq!(made.element("keyFingerprint").len(), 59);
    let found = farm.client.call("DescribeKeyPairs", &[("KeyName.1", "Test key"), ("IncludePublicKey", "true")]).await;
    let text = found.good();
    assert_eq!(found.element("keyFingerprint"), made.element("keyFingerprint"));
    assert_eq!(found.element("keyPairId"), made.element("keyPairId"));
    assert_eq!(found.element("keyType"), "rsa");
    assert!(found.element("publicKey").starts_with("ssh-rsa AAAAB3NzaC1yc2E"));
    assert!(found.element("publicKey").ends_with(" Test key"));
    assert!(text.contains("<tagSet><item><key>a</key><value/></item></tagSet>") && !text.contains("PRIVATE"), "{text}");
    assert_eq!(ask(&[("KeyName", "Test key")]).await.code(400), "InvalidKeyPair.Duplicate");

    let other = ask(&[("KeyName", "b"), ("KeyType", "ed25519"), ("KeyFormat", "pem")]).await;
    other.good();
    assert!(other.element("keyMaterial").starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
    assert_eq!(ask(&[("KeyName", "c"), ("KeyType", "dsa")]).await.code(400), "InvalidParameterValue");
    assert_eq!(ask(&[("KeyName", "c"), ("KeyFormat", "ppk")]).await.code(400), "UnsupportedOperation");
    assert_eq!(ask(&[("KeyName", "")]).await.code(400), "MissingParameter");
}

#[tokio::test]
async fn one_made_elsewhere() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let import = async |name: &str, material: &str| {
        let params = [("KeyName", name), ("PublicKeyMaterial", &STANDARD.encode(material))];
        farm.client.call("ImportKeyPair", &params).await
    };
    let made = import("a", &format!("{ED25519} someone@somewhere\n")).await;
    made.good();
    assert_eq!(made.element("keyFingerprint"), OF_ED25519);
    assert_eq!(import("a", ED25519).await.code(400), "InvalidKeyPair.Duplicate");
    assert_eq!(import("b", "").await.code(400), "MissingParameter");
    assert_eq!(import("b", "not a key at all").await.code(400), "InvalidKey.Format");
    let junk = farm.client.call("ImportKeyPair", &[("KeyName", "b"), ("PublicKeyMaterial", "%%%")]).await;
    assert_eq!(junk.code(400), "InvalidKey.Format");
    let found = async |params: &[(&str, &str)]| farm.client.call("DescribeKeyPairs", params).await;
    let by = [("Filter.1.Name", "fingerprint"), ("Filter.1.Value.1", OF_ED25519)];
    let text = found(&by).await.good();
    assert!(text.contains("<keyName>a</keyName><keyType>ed25519</keyType>") && !text.contains("publicKey"), "{text}");
    let (code, message) = found(&[("KeyName.1", "nobody's")]).await.refused(400);
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("InvalidKeyPair.NotFound", "The key pair 'nobody's' does not exist")
    );
    assert_eq!(found(&[("KeyPairId.1", "key-0123456789abcdef0")]).await.code(400), "InvalidKeyPair.NotFound");
    // Another farm has its own.
    let stranger = site.farm("beta").await;
    assert!(stranger.client.call("DescribeKeyPairs", &[]).await.good().contains("<keySet/>"));
    let theirs = [("KeyPairId", made.element("keyPairId"))];
    stranger.client.call("DeleteKeyPair", &[(theirs[0].0, &theirs[0].1)]).await.good();

    let delete = async |params: &[(&str, &str)]| farm.client.call("DeleteKeyPair", params).await;
    assert_eq!(delete(&[("KeyName", "a"), ("DryRun", "true")]).await.code(412), "DryRunOperation");
    let gone = delete(&[("KeyPairId", &made.element("keyPairId"))]).await.good();
    assert!(gone.contains("<return>true</return><keyPairId>key-"), "{gone}");
    assert!(delete(&[("KeyName", "a")]).await.good().contains("<return>true</return></DeleteKeyPairResponse>"));
    assert_eq!(delete(&[]).await.code(400), "MissingParameter");
}
