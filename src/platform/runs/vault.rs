//! Plans at rest: a plan file holds secrets in clear, so it lies encrypted wherever nobody reads it just now.
//!
//! Owns the form of a sealed plan (ChaCha20-Poly1305, RFC 8439) and the key for it: a file of its own, mode 0600, outside
//! the database. A sealed plan is bound to a name, so that one cannot be laid in the place of another. Leaves to others
//! when a plan is sealed and opened, and when it goes.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};

/// How a sealed plan begins.
const MAGIC: &[u8] = b"terrace-plan-1\n";
/// How many bytes a key has.
const KEY: usize = 32;

/// A key that plans are sealed with.
#[derive(Debug)]
pub(super) struct Vault {
    key: LessSafeKey,
}

impl Vault {
    /// Makes a key that lives only in this process.
    pub(super) fn fleeting() -> io::Result<Self> {
        Self::of(&random::<KEY>()?)
    }

    /// Reads the key, or makes one where there is none.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or written, that others can read, or that holds no key.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        match fs::read(path) {
            Ok(text) => {
                if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
                    return Err(io::Error::other(format!("others can read the key {}", path.display())));
                }
                let key = hex::decode(text.trim_ascii()).ok().and_then(|key| <[u8; KEY]>::try_from(key).ok());
                Self::of(&key.ok_or_else(|| io::Error::other(format!("{} holds no key", path.display())))?)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                write(path)?;
                Self::open(path)
            }
            Err(error) => Err(error),
        }
    }

    fn of(key: &[u8; KEY]) -> io::Result<Self> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key).map_err(|_| io::Error::other("the key cannot be used"))?;
        Ok(Self { key: LessSafeKey::new(key) })
    }

    /// Seals the file `from` into `to` (mode 0600), and removes `from`.
    pub(super) fn seal(&self, from: &Path, to: &Path, name: &str) -> io::Result<()> {
        let mut text = fs::read(from)?;
        let nonce = random::<NONCE_LEN>()?;
        let bound = Nonce::assume_unique_for_key(nonce);
        self.key
            .seal_in_place_append_tag(bound, Aad::from(name.as_bytes()), &mut text)
            .map_err(|_| io::Error::other("the plan could not be sealed"))?;
        let beside = to.with_extension("sealing");
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&beside)?;
        file.write_all(MAGIC)?;
        file.write_all(&nonce)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&beside, to)?;
        fs::remove_file(from)
    }

    /// Returns what was sealed under this name.
    ///
    /// # Errors
    ///
    /// A file that is not there, was changed, or was sealed under another name or with another key.
    pub(super) fn unseal(&self, sealed: &Path, name: &str) -> io::Result<Vec<u8>> {
        let broken = || io::Error::new(io::ErrorKind::InvalidData, "the sealed plan is not the one that was put there");
        let all = fs::read(sealed)?;
        let (nonce, text) =
            all.strip_prefix(MAGIC).and_then(|rest| rest.split_first_chunk::<NONCE_LEN>()).ok_or_else(broken)?;
        let mut text = text.to_vec();
        let bound = Nonce::assume_unique_for_key(*nonce);
        let length = self.key.open_in_place(bound, Aad::from(name.as_bytes()), &mut text).map_err(|_| broken())?.len();
        text.truncate(length);
        Ok(text)
    }
}

/// Writes a plan where a command reads it, for its owner only; a file that is there already is somebody else's.
pub(super) fn lay_out(path: &Path, plan: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    file.write_all(plan)
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("the system gives no random bytes"))?;
    Ok(bytes)
}

/// Writes a new key; one that is there already is never replaced.
fn write(path: &Path) -> io::Result<()> {
    let beside = path.with_extension(format!("key.{}", std::process::id()));
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&beside)?;
    writeln!(file, "{}", hex::encode(random::<KEY>()?))?;
    file.sync_all()?;
    let linked = fs::hard_link(&beside, path);
    fs::remove_file(&beside)?;
    linked.or_else(|error| if path.exists() { Ok(()) } else { Err(error) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_only_as_it_is_by_its_name_and_its_key() {
        let temp = tempfile::tempdir().expect("temp");
        let at = |name: &str| temp.path().join(name);
        let vault = Vault::open(&at("plans.key")).expect("a key");
        assert_eq!(fs::metadata(at("plans.key")).expect("there").permissions().mode() & 0o777, 0o600);
        fs::write(at("plan"), "password = hunter2").expect("written");
        vault.seal(&at("plan"), &at("sealed"), "run-1").expect("sealed");
        assert!(!at("plan").exists(), "nothing is left in clear");
        let bytes = fs::read(at("sealed")).expect("there");
        assert!(!bytes.windows(7).any(|part| part == b"hunter2"));
        assert_eq!(fs::metadata(at("sealed")).expect("there").permissions().mode() & 0o777, 0o600);
        let again = Vault::open(&at("plans.key")).expect("the same key");
        assert_eq!(again.unseal(&at("sealed"), "run-1").expect("opened"), b"password = hunter2");
        assert!(again.unseal(&at("sealed"), "run-2").is_err(), "another run's");
        assert!(Vault::fleeting().expect("a key").unseal(&at("sealed"), "run-1").is_err(), "another key");
        for at_byte in [0, MAGIC.len(), MAGIC.len() + NONCE_LEN, bytes.len() - 1] {
            let mut other = bytes.clone();
            other[at_byte] ^= 1;
            fs::write(at("sealed"), &other).expect("written");
            assert!(again.unseal(&at("sealed"), "run-1").is_err(), "byte {at_byte} was changed");
        }
        fs::set_permissions(at("plans.key"), fs::Permissions::from_mode(0o644)).expect("chmod");
        assert!(Vault::open(&at("plans.key")).is_err(), "others can read it");
    }
}
