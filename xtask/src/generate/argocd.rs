//! The settings of Argo CD that a bus needs, around the health check.
//!
//! In: the health check, in Lua. Out: a patch of Argo CD's ConfigMap.

/// The ConfigMap's part, with the script in it.
pub fn settings(script: &str) -> String {
    let mut text = String::from(
        "# Written by `cargo xtask generate` around health.lua. Argo CD's own settings; apply it on top of them:\n\
         #   kubectl -n argocd patch configmap argocd-cm --patch-file argocd-cm.yaml\n\
         apiVersion: v1\n\
         kind: ConfigMap\n\
         metadata:\n  \
           name: argocd-cm\n  \
           namespace: argocd\n\
         data:\n  \
           # By the label alone, the default before Argo CD 3, an Application that is named like a bus would\n  \
           # take the bus's own Secrets for its own, and prune them.\n  \
           application.resourceTrackingMethod: annotation\n  \
           resource.customizations.health.messaging.svom.eu_SvomMessaging: |\n",
    );
    for line in script.lines() {
        if !line.is_empty() {
            text.push_str("    ");
            text.push_str(line);
        }
        text.push('\n');
    }
    text
}
