//! The platform's key: an Ed25519 key pair in a file of its own, outside the database, that signs checkpoints.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde_json::json;

use crate::domain::audit::Checkpoint;
use crate::domain::id::Digest;
use crate::platform::PlatformError;

/// The name of the file beside the database.
pub const FILE: &str = "platform.key";

/// PKCS#8 of an Ed25519 key before its 32 bytes (RFC 8410, section 7).
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// The platform's key pair.
#[derive(Debug)]
pub struct PlatformKey {
    pair: Ed25519KeyPair,
}

impl PlatformKey {
    /// Reads the key, or makes one (mode 0600) where there is none.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or written, that others can read, or that holds no key.
    pub fn load_or_create(path: &Path) -> Result<Self, PlatformError> {
        match Self::load(path) {
            Err(PlatformError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Self::create(path)
            }
            loaded => loaded,
        }
    }

    /// Reads the key.
    ///
    /// # Errors
    ///
    /// As [`PlatformKey::load_or_create`], and where there is none.
    pub fn load(path: &Path) -> Result<Self, PlatformError> {
        use std::os::unix::fs::PermissionsExt as _;
        let bad = |message: &str| PlatformError::BadKey { path: path.to_owned(), message: message.to_owned() };
        let about = fs::metadata(path).map_err(PlatformError::io("read the platform's key", path))?;
        if about.permissions().mode() & 0o077 != 0 {
            return Err(bad("others can read it"));
        }
        let text = fs::read_to_string(path).map_err(PlatformError::io("read the platform's key", path))?;
        let body: String = text.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
        let der = STANDARD.decode(body).map_err(|_| bad("it is no PEM file"))?;
        let seed = der.strip_prefix(&PKCS8).ok_or_else(|| bad("it holds no Ed25519 key"))?;
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| bad("it holds no Ed25519 key"))?;
        Ok(Self { pair })
    }

    fn create(path: &Path) -> Result<Self, PlatformError> {
        let cannot = PlatformError::io("write the platform's key", path);
        let mut der = [PKCS8.as_slice(), &[0; 32]].concat();
        let random = SystemRandom::new().fill(&mut der[PKCS8.len()..]);
        random.map_err(|_| PlatformError::Interrupted("the system gives no random bytes".to_owned()))?;
        // Beside it first: nobody ever reads half a key, and one that is there is never replaced.
        let part = path.with_extension(format!("key.{}", std::process::id()));
        let write = || {
            if let Some(folder) = path.parent() {
                fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            }
            let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
            writeln!(file, "{BEGIN}\n{}\n{END}", STANDARD.encode(&der))?;
            file.sync_all()?;
            let linked = fs::hard_link(&part, path);
            fs::remove_file(&part)?;
            linked.or_else(|error| if path.exists() { Ok(()) } else { Err(error) })
        };
        write().map_err(cannot)?;
        Self::load(path)
    }

    /// Returns the public key in hexadecimal digits.
    #[must_use]
    pub fn public(&self) -> String {
        hex::encode(self.pair.public_key())
    }

    /// Signs that the trail had this record as its last.
    ///
    /// # Errors
    ///
    /// None in practice: text and a number have a canonical form.
    pub fn sign(
        &self,
        source: &str,
        sequence: u64,
        digest: Digest,
        time: Timestamp,
    ) -> Result<Checkpoint, PlatformError> {
        let source = source.to_owned();
        let mut checkpoint =
            Checkpoint { sequence, digest, source, time, key: self.public(), signature: String::new() };
        checkpoint.signature = hex::encode(self.pair.sign(&message(&checkpoint)?));
        Ok(checkpoint)
    }
}

/// Says whether the signature of a checkpoint is by the key that it names.
///
/// # Errors
///
/// As [`PlatformKey::sign`].
pub fn holds(checkpoint: &Checkpoint) -> Result<bool, PlatformError> {
    let (Ok(key), Ok(signature)) = (hex::decode(&checkpoint.key), hex::decode(&checkpoint.signature)) else {
        return Ok(false);
    };
    Ok(UnparsedPublicKey::new(&ED25519, key).verify(&message(checkpoint)?, &signature).is_ok())
}

fn message(checkpoint: &Checkpoint) -> Result<Vec<u8>, PlatformError> {
    let Checkpoint { sequence, digest, source, time, key, signature: _ } = checkpoint;
    let said = json!({"sequence": sequence, "digest": digest, "source": source, "time": time, "key": key});
    serde_json_canonicalizer::to_vec(&said).map_err(|e| PlatformError::Canonical(e.to_string()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_read_again_and_refused_where_others_can_read_it() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join(FILE);
        let first = PlatformKey::load_or_create(&path).expect("made");
        assert_eq!(fs::metadata(&path).expect("file").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).expect("folder").count(), 1, "nothing is left beside it");
        let again = PlatformKey::load_or_create(&path).expect("read");
        assert_eq!(first.public(), again.public());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("chmod");
        assert!(matches!(PlatformKey::load_or_create(&path), Err(PlatformError::BadKey { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("chmod");
        fs::write(&path, "no key").expect("written");
        assert!(matches!(PlatformKey::load_or_create(&path), Err(PlatformError::BadKey { .. })));
        assert_eq!(fs::read_to_string(&path).expect("there"), "no key", "it is left as it is");
    }

    #[test]
    fn a_signature_is_bound_to_every_word() {
        let folder = tempfile::tempdir().expect("folder");
        let key = PlatformKey::load_or_create(&folder.path().join(FILE)).expect("made");
        let checkpoint = key.sign("/a", 7, Digest::of(b"seven"), Timestamp::UNIX_EPOCH).expect("signed");
        assert!(holds(&checkpoint).expect("checked"));
        let others = [
            Checkpoint { sequence: 6, ..checkpoint.clone() },
            Checkpoint { digest: Digest::of(b"six"), ..checkpoint.clone() },
            Checkpoint { source: "/b".to_owned(), ..checkpoint.clone() },
            Checkpoint { time: Timestamp::MAX, ..checkpoint.clone() },
            Checkpoint { key: "00".repeat(32), ..checkpoint.clone() },
            Checkpoint { signature: "zz".to_owned(), ..checkpoint },
        ];
        for other in others {
            assert!(!holds(&other).expect("checked"), "{other:?}");
        }
    }
}
