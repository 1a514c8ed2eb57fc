//! x
use super::Valid;
use crate::Problem;
use svom_crds::SvomMessaging;

/// Checks what concerns two lists or two fields.
///
/// # Errors
/// Every problem, with its path.
pub fn validate(_resource: &SvomMessaging) -> Result<Valid, Vec<Problem>> {
    Err(vec![])
}
