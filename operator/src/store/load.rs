//! From files to [`Material`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use svom_plan::credentials::{self, Brought};
use svom_plan::material::{
    Authority, AuthorityName, CertificateAndKey, Credential, LeafName, Material, Nkey, split_pem,
};
use svom_plan::topology::Topology;
use svom_plan::valid::{Authentication, Issuer, User, UserName};
use svom_plan::{Problem, Secret, Valid, pki};
use zeroize::Zeroizing;

use super::{FileError, Store, StoreError, files, items};
use crate::mint;

type Keys = BTreeMap<String, Zeroizing<Vec<u8>>>;

impl Store {
    /// Reads every secret that the resource asks for. What is not there yet is left out; what is
    /// there and no longer asked for is neither read nor touched.
    ///
    /// # Errors
    /// A file cannot be read, is damaged and cannot be made anew without clients noticing, or what
    /// a person brought does not fit.
    pub fn load(&self, valid: &Valid, topology: &Topology) -> Result<Material, StoreError> {
        let mut problems = Vec::new();
        let mut material = Material::default();
        if let Some(bytes) = self.secret(items::OPERATOR)? {
            let keys = items::operator(&bytes).ok_or_else(|| {
                self.damaged(
                    items::OPERATOR,
                    "all servers have to be restarted after that",
                )
            })?;
            material.operator = Some(keys);
        }
        for name in [AuthorityName::Clients, AuthorityName::Routes] {
            let authority = match (&valid.tls.issuer, name) {
                (Issuer::Brought { secret }, AuthorityName::Clients) => {
                    self.brought_authority(secret, &mut problems)?
                }
                _ => self.managed_authority(name)?,
            };
            if let Some(authority) = authority {
                material.authorities.insert(name, authority);
            }
        }
        for name in pki::leaves(valid, topology) {
            let signer = material.authorities.get(&pki::signer(&name));
            if let Some(leaf) = self.leaf(&name, signer)? {
                material.leaves.insert(name, leaf);
            }
        }
        let salt_key = material.operator.as_ref().map(|keys| &keys.salt_key);
        for (name, user) in &valid.users {
            if let Some(credential) = self.credential(name, user, salt_key, &mut problems)? {
                material.users.insert(name.clone(), credential);
            }
        }
        if problems.is_empty() {
            Ok(material)
        } else {
            problems.sort();
            Err(StoreError::Problems(problems))
        }
    }

    fn secret(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
        self.files.read(&self.secrets().join(name))
    }

    fn secret_text(&self, name: &str) -> Result<Option<Zeroizing<String>>, FileError> {
        // What is not text is no secret of ours; the empty text fits none of them either.
        let text = |bytes: Zeroizing<Vec<u8>>| {
            Zeroizing::new(std::str::from_utf8(&bytes).unwrap_or_default().to_owned())
        };
        Ok(self.secret(name)?.map(text))
    }

    fn damaged(&self, name: &str, price: &str) -> FileError {
        FileError::unfit(
            &self.secrets().join(name),
            format!(
                "is damaged. It is not replaced by itself: restore it from a backup, or remove it, so that another is made; {price}"
            ),
        )
    }

    fn managed_authority(&self, name: AuthorityName) -> Result<Option<Authority>, FileError> {
        let file = items::authority(name);
        let price = match name {
            AuthorityName::Clients => "every client then needs the new ca.crt",
            AuthorityName::Routes => "all servers have to be restarted after that",
        };
        let Some(text) = self.secret_text(file)? else {
            return Ok(None);
        };
        let authority = split_pem(&text)
            .and_then(|(certificate, key)| mint::managed_authority(certificate, &key).ok())
            .ok_or_else(|| self.damaged(file, price))?;
        if name == AuthorityName::Clients {
            self.check_handed_out(&authority)?;
        }
        Ok(Some(authority))
    }

    /// Checks that the authority is the one that clients were handed. What was handed out and is damaged
    /// says nothing: it is written anew.
    fn check_handed_out(&self, authority: &Authority) -> Result<(), FileError> {
        let handed_out = self.files.read(&self.authority_file())?;
        let handed_out = handed_out
            .as_deref()
            .map(|bytes| std::str::from_utf8(bytes));
        match handed_out {
            Some(Ok(text)) if text != authority.trust_pem && mint::is_certificate(text) => {
                Err(FileError::unfit(
                    &self
                        .secrets()
                        .join(items::authority(AuthorityName::Clients)),
                    format!(
                        "is another authority than the one that every client has, in {}. Put that one back; or, to go \
                         over to this one, remove ca.crt: no client connects then until it has the new one",
                        self.authority_file().display()
                    ),
                ))
            }
            _ => Ok(()),
        }
    }

    /// A certificate of ours; a damaged one counts as none, since another is made in its place.
    fn leaf(
        &self,
        name: &LeafName,
        signer: Option<&Authority>,
    ) -> Result<Option<CertificateAndKey>, FileError> {
        let (Some(text), Some(signer)) = (self.secret_text(&items::leaf(name))?, signer) else {
            return Ok(None);
        };
        Ok(split_pem(&text).and_then(|(chain, key)| mint::leaf(chain, &key, signer).ok()))
    }

    fn credential(
        &self,
        name: &UserName,
        user: &User,
        salt_key: Option<&Secret>,
        problems: &mut Vec<Problem>,
    ) -> Result<Option<Credential>, FileError> {
        let found = match &user.secret {
            Some(secret) => self.brought_credential(name, user.authentication, secret, problems)?,
            None => self.generated_credential(name, user.authentication)?,
        };
        if let (Some(found), None) = (&found, &user.secret) {
            let trace = match user.authentication {
                Authentication::Password => items::hash(name),
                Authentication::Nkey => items::nkey_public(name),
            };
            let trace = self.secret_text(&trace)?.unwrap_or_default();
            take(
                credentials::check_trace(name, found, &trace, salt_key),
                problems,
            );
        }
        Ok(match found {
            Some(Credential::Password {
                password, brought, ..
            }) => {
                let hash = self.secret_text(&items::hash(name))?;
                let hash = hash.map(|hash| hash.as_str().to_owned());
                Some(Credential::Password {
                    password,
                    brought,
                    hash,
                })
            }
            Some(Credential::Nkey { own, .. }) if own.seed.is_none() => {
                // Only the servers know it, so a damaged one counts as none.
                let stand_in = self.secret_text(&items::stand_in(name))?;
                let stand_in = stand_in.and_then(|seed| credentials::nkey_of_seed(&seed));
                Some(Credential::Nkey { own, stand_in })
            }
            other => other,
        })
    }

    fn generated_credential(
        &self,
        name: &UserName,
        authentication: Authentication,
    ) -> Result<Option<Credential>, FileError> {
        let file = match authentication {
            Authentication::Password => items::password(name),
            Authentication::Nkey => items::nkey(name),
        };
        let Some(text) = self.secret_text(&file)? else {
            return Ok(None);
        };
        let read = match authentication {
            Authentication::Password => Secret::of_random(&text).map(generated_password),
            Authentication::Nkey => credentials::nkey_of_seed(&text).map(generated_nkey),
        };
        read.map(Some)
            .ok_or_else(|| self.damaged(&file, &format!("user {name} then needs the new one")))
    }

    fn brought_credential(
        &self,
        user: &UserName,
        authentication: Authentication,
        secret: &str,
        problems: &mut Vec<Problem>,
    ) -> Result<Option<Credential>, FileError> {
        let Some(keys) = self.brought(secret, &credentials::KEYS)? else {
            return Ok(None);
        };
        let found = Brought {
            user,
            authentication,
            secret,
            keys: &keys,
        };
        Ok(take(credentials::brought(&found), problems))
    }

    fn brought_authority(
        &self,
        secret: &str,
        problems: &mut Vec<Problem>,
    ) -> Result<Option<Authority>, FileError> {
        let Some(keys) = self.brought(secret, &pki::BROUGHT_KEYS)? else {
            return Ok(None);
        };
        let authority = pki::brought_authority(secret, &keys).and_then(|parts| {
            mint::brought_authority(&parts)
                .map_err(|error| pki::brought_unfit(secret, &error.to_string()))
        });
        Ok(take(authority, problems))
    }

    /// The keys of a brought Secret; `None` where none of them is there.
    fn brought(&self, secret: &str, keys: &[&str]) -> Result<Option<Keys>, FileError> {
        let Some(folder) = &self.brought else {
            return Ok(None);
        };
        let mut found = Keys::new();
        for key in keys {
            let path: PathBuf = folder.join(Path::new(secret)).join(key);
            if let Some(bytes) = files::read_brought(&path)? {
                found.insert((*key).to_owned(), bytes);
            }
        }
        Ok((!found.is_empty()).then_some(found))
    }
}

fn take<T>(found: Result<T, Problem>, problems: &mut Vec<Problem>) -> Option<T> {
    found.map_err(|problem| problems.push(problem)).ok()
}

fn generated_password(password: Secret) -> Credential {
    Credential::Password {
        password,
        brought: false,
        hash: None,
    }
}

fn generated_nkey(own: Nkey) -> Credential {
    Credential::Nkey {
        own,
        stand_in: None,
    }
}
