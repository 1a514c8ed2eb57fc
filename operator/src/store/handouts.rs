//! What users are handed, as files in `users/NAME/`.

use std::path::PathBuf;

use svom_plan::Valid;
use svom_plan::handout::{self, handout};
use svom_plan::material::Material;
use svom_plan::topology::Topology;
use svom_plan::valid::UserName;

use super::{Store, StoreError, files};

impl Store {
    /// The folder of a user.
    pub fn user_folder(&self, user: &UserName) -> PathBuf {
        self.users().join(user.as_str())
    }

    /// Writes what each user is handed, where it differs, and takes away what a user no longer has,
    /// and the folders of users that are no longer in the resource. Files of other names in them are
    /// not ours and are left.
    ///
    /// # Errors
    /// Something of a user is not minted yet, or the system refused.
    pub fn hand_out(
        &self,
        valid: &Valid,
        topology: &Topology,
        material: &Material,
    ) -> Result<(), StoreError> {
        for user in valid.users.keys() {
            let folder = self.user_folder(user);
            let shown = folder.to_string_lossy();
            let keys = handout(valid, topology, material, user, &shown)
                .map_err(|problem| StoreError::Problems(vec![problem]))?;
            self.files.folder(&folder)?;
            for (key, value) in &keys {
                self.files
                    .write_if_different(&folder.join(key), value.reveal().as_bytes())?;
            }
            self.take_away(user, |key| !keys.contains_key(key))?;
        }
        for name in files::names(&self.users())? {
            let user = UserName::new(name);
            let folder = self.user_folder(&user);
            // What is no folder was put there by somebody else.
            if !valid.users.contains_key(&user) && folder.is_dir() {
                self.files.folder(&folder)?;
                self.take_away(&user, |_| true)?;
                self.files.remove_empty_folder(&folder)?;
            }
        }
        Ok(())
    }

    fn take_away(&self, user: &UserName, stale: impl Fn(&str) -> bool) -> Result<(), StoreError> {
        let folder = self.user_folder(user);
        for name in files::names(&folder)? {
            if handout::KEYS.contains(&name.as_str()) && stale(&name) {
                self.files.remove_file(&folder.join(name))?;
            }
        }
        Ok(())
    }
}
