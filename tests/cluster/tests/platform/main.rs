//! What the testbed gives to the clusters that it makes, each seen at work from inside: volumes with a
//! size, pod network and policies, LoadBalancers, the name service, Pod Security, the audit log.

#![expect(
    clippy::indexing_slicing,
    reason = "objects are put together by their fields' names"
)]

mod balancers;
mod bench;
mod policies;
mod rules;
mod volumes;
