//! From files to [`Material`].

use std::path::{Path, PathBuf};

use svom_plan::credentials;
use svom_plan::material::{
    Authority, AuthorityName, Credential, LeafName, Material, Nkey, OperatorKeys, split_pem,
};
use svom_plan::topology::Topology;
use svom_plan::valid::{Authentication, UserName};
use svom_plan::{Secret, Valid};
use zeroize::Zeroizing;

use super::kept::{Kept, Keys, read};
use super::{FileError, Store, StoreError, files, items};
use crate::mint;

impl Kept for Store {
    type Error = StoreError;

    fn operator(&self) -> Result<Option<OperatorKeys>, StoreError> {
        let Some(bytes) = self.secret(items::OPERATOR)? else {
            return Ok(None);
        };
        let keys = items::operator(&bytes).ok_or_else(|| {
            self.damaged(
                items::OPERATOR,
                "all servers have to be restarted after that",
            )
        })?;
        Ok(Some(keys))
    }

    fn authority(&self, name: AuthorityName) -> Result<Option<Authority>, StoreError> {
        Ok(self.managed_authority(name)?)
    }

    fn leaf(&self, name: &LeafName) -> Result<Option<(String, Secret)>, StoreError> {
        let text = self.secret_text(&items::leaf(name))?;
        let parts = text.as_deref().and_then(|text| split_pem(text));
        Ok(parts.map(|(chain, key)| (chain.to_owned(), key)))
    }

    fn generated(
        &self,
        user: &UserName,
        authentication: Authentication,
    ) -> Result<Option<Credential>, StoreError> {
        Ok(self.generated_credential(user, authentication)?)
    }

    fn trace(
        &self,
        user: &UserName,
        authentication: Authentication,
    ) -> Result<Option<String>, StoreError> {
        let file = match authentication {
            Authentication::Password => items::hash(user),
            Authentication::Nkey => items::nkey_public(user),
        };
        self.plain_text(&file)
    }

    fn hash(&self, user: &UserName) -> Result<Option<String>, StoreError> {
        self.plain_text(&items::hash(user))
    }

    fn stand_in(&self, user: &UserName) -> Result<Option<Nkey>, StoreError> {
        // Only the servers know it, so a damaged one counts as none.
        let seed = self.secret_text(&items::stand_in(user))?;
        Ok(seed.and_then(|seed| credentials::nkey_of_seed(&seed)))
    }

    fn brought(&self, secret: &str, keys: &[&str]) -> Result<Option<Keys>, StoreError> {
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

impl Store {
    /// Reads every secret that the resource asks for. What is not there yet is left out; what is
    /// there and no longer asked for is neither read nor touched.
    ///
    /// # Errors
    /// A file cannot be read, is damaged and cannot be made anew without clients noticing, or what
    /// a person brought does not fit.
    pub fn load(&self, valid: &Valid, topology: &Topology) -> Result<Material, StoreError> {
        read(self, valid, topology)
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

    /// What is no secret, as a hash or a public key.
    fn plain_text(&self, name: &str) -> Result<Option<String>, StoreError> {
        let text = self.secret_text(name)?;
        Ok(text.map(|text| text.as_str().to_owned()))
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
