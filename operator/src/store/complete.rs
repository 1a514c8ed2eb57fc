//! From what is there to all that is wanted.

use svom_plan::material::{Credential, Material};
use svom_plan::topology::Topology;
use svom_plan::{UnixSeconds, Valid, Want, wanted};

use super::{Store, StoreError, items};
use crate::mint;

impl Store {
    /// Reads the secrets, mints what is missing, persisting each before the next is made from it,
    /// and gives them all. Writes nothing where nothing is missing. After a crash at any moment it
    /// takes up what was persisted and mints the rest.
    ///
    /// # Errors
    /// As [`Store::load`]; or what is missing cannot be made.
    pub fn complete(
        &self,
        valid: &Valid,
        topology: &Topology,
        now: UnixSeconds,
    ) -> Result<Material, StoreError> {
        let mut material = self.load(valid, topology)?;
        let wants = ask(valid, topology, &material, now)?;
        for want in &wants {
            let item = mint::mint(want, &material)?;
            self.save(&item)?;
            item.put_into(&mut material);
        }
        self.leave_traces(valid, &material)?;
        if let Some(want) = ask(valid, topology, &material, now)?.first() {
            return Err(StoreError::StillWanted(format!("{want:?}")));
        }
        Ok(material)
    }

    /// Writes down which generated keys are in force; of a password its hash says so.
    fn leave_traces(&self, valid: &Valid, material: &Material) -> Result<(), StoreError> {
        for (name, user) in &valid.users {
            if user.secret.is_some() {
                continue;
            }
            if let Some(Credential::Nkey { own, .. }) = material.users.get(name) {
                let path = self.secrets().join(items::nkey_public(name));
                self.files
                    .write_if_different(&path, own.public.as_bytes())?;
            }
        }
        Ok(())
    }
}

fn ask(
    valid: &Valid,
    topology: &Topology,
    material: &Material,
    now: UnixSeconds,
) -> Result<Vec<Want>, StoreError> {
    wanted(valid, topology, material, now).map_err(StoreError::Problems)
}
