//! The Roles of the operator, and the page that explains them, from the one list of its calls.
//!
//! In: the list. Out: a Role as a manifest, the same rules for the chart, and Markdown.

use std::fmt::Write;

use svom_operator::kubernetes::rights::{RIGHTS, Right, Scope};

const NOTE: &str = "Written by `cargo xtask generate` from operator/src/kubernetes/rights.rs.";

/// What stands above the table.
const HEAD: &str = "\
# What the operator may do

Generated from the operator's own list of calls by `cargo xtask generate`; do not edit.

All of it is granted by Roles, in namespaces; the operator has no right of the whole cluster. The Role
`svom-messaging` is in each namespace whose buses it looks after, `svom-messaging-leader-election` in its
own alone.
";

/// A Role of this name.
pub fn role(name: &str, scope: Scope) -> Result<String, std::fmt::Error> {
    let mut text = format!(
        "# {NOTE}\n\
         apiVersion: rbac.authorization.k8s.io/v1\n\
         kind: Role\n\
         metadata:\n  \
           name: {name}\n  \
           labels:\n    \
             app.kubernetes.io/name: svom-messaging\n    \
             app.kubernetes.io/part-of: svom-messaging\n\
         rules:\n"
    );
    for right in of(scope) {
        write_rule(&mut text, "  ", right)?;
    }
    Ok(text)
}

/// The rules as templates of the chart.
pub fn templates() -> Result<String, std::fmt::Error> {
    let mut text = format!("{{{{- /* {NOTE} */ -}}}}\n");
    for (name, scope) in [("buses", Scope::Buses), ("own", Scope::Own)] {
        writeln!(
            text,
            "\n{{{{- define \"svom-messaging.rights.{name}\" -}}}}"
        )?;
        for right in of(scope) {
            write_rule(&mut text, "", right)?;
        }
        writeln!(text, "{{{{- end -}}}}")?;
    }
    Ok(text)
}

/// The page.
pub fn page() -> Result<String, std::fmt::Error> {
    let mut page = String::from(HEAD);
    for (title, scope) in [
        ("In each namespace whose buses it looks after", Scope::Buses),
        ("In its own namespace", Scope::Own),
    ] {
        writeln!(page, "\n## {title}\n")?;
        writeln!(page, "| what | verbs | what for |\n| --- | --- | --- |")?;
        for right in of(scope) {
            let named = right.name.map(|name| format!(" `{name}`"));
            writeln!(
                page,
                "| `{}`{} | {} | {} |",
                in_full(right),
                named.unwrap_or_default(),
                verbs(right),
                right.why
            )?;
        }
    }
    Ok(page)
}

fn of(scope: Scope) -> impl Iterator<Item = &'static Right> {
    RIGHTS.iter().filter(move |right| right.scope == scope)
}

fn write_rule(text: &mut String, indent: &str, right: &Right) -> std::fmt::Result {
    let Right {
        scope: _,
        group,
        resource,
        name,
        verbs: _,
        why,
    } = right;
    writeln!(text, "{indent}# {why}")?;
    let group = if group.is_empty() { "\"\"" } else { group };
    writeln!(text, "{indent}- apiGroups: [{group}]")?;
    writeln!(text, "{indent}  resources: [{resource}]")?;
    if let Some(name) = name {
        writeln!(text, "{indent}  resourceNames: [{name}]")?;
    }
    writeln!(text, "{indent}  verbs: [{}]", verbs(right))
}

fn verbs(right: &Right) -> String {
    let verbs: Vec<&str> = right.verbs.iter().map(|verb| verb.as_str()).collect();
    verbs.join(", ")
}

/// As kubectl names it: `statefulsets.apps`, `svommessagings.messaging.svom.eu/status`.
fn in_full(right: &Right) -> String {
    let group = match right.group {
        "" => String::new(),
        group => format!(".{group}"),
    };
    match right.resource.split_once('/') {
        Some((resource, part)) => format!("{resource}{group}/{part}"),
        None => format!("{}{group}", right.resource),
    }
}
