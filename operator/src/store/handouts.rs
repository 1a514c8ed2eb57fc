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

    /// Writes what each user is handed, where it differs, all of a user's at one moment, and takes away
    /// what a user no longer has, and the folders of users that are no longer in the resource. Files of
    /// other names in them are not ours and are left.
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
            self.files.swap(&folder, &keys, &handout::KEYS)?;
        }
        for name in files::names(&self.users())? {
            let user = UserName::new(name);
            let folder = self.user_folder(&user);
            // What is no folder was put there by somebody else.
            let is_ours = files::metadata(&folder)?.is_some_and(|found| found.is_dir());
            if is_ours && !valid.users.contains_key(&user) {
                self.files.take_away(&folder, &handout::KEYS)?;
            }
        }
        Ok(())
    }
}
