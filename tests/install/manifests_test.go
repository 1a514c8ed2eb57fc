package install

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	podsecurity "k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

const (
	manifests = "../../manifests"
	installed = manifests + "/install.yaml"
	operator  = "svom-messaging"
)

var update = flag.Bool("update", false, "write manifests/install.yaml")

func render(t *testing.T, folder string) Objects {
	t.Helper()
	text, err := Kustomize(folder)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, text)
}

func parse(t *testing.T, text []byte) Objects {
	t.Helper()
	objects, err := Read(text)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func get[T any](t *testing.T, objects Objects, kind, namespace, name string) T {
	t.Helper()
	object, ok := objects[Key(kind, namespace, name)].(T)
	if !ok {
		t.Fatalf("no %s among %v", Key(kind, namespace, name), objects.Keys())
	}
	return object
}

func equal(t *testing.T, got, want any) {
	t.Helper()
	if got, want := asYAML(t, got), asYAML(t, want); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func asYAML(t *testing.T, value any) string {
	t.Helper()
	text, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestInstallIsWhatKustomizeRenders(t *testing.T) {
	rendered, err := Kustomize(manifests + "/default")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(installed, rendered, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if string(read(t, installed)) != string(rendered) {
		t.Fatal("manifests/install.yaml is not what manifests/default renders to: run `cargo xtask generate` and " +
			"commit what it writes")
	}
}

func TestOneFileInstallsEverything(t *testing.T) {
	equal(t, parse(t, read(t, installed)).Keys(), []string{
		"CustomResourceDefinition svommessagings.messaging.svom.eu",
		"Deployment svom/svom-messaging",
		"Namespace svom",
		"Role svom/svom-messaging",
		"Role svom/svom-messaging-leader-election",
		"RoleBinding svom/svom-messaging",
		"RoleBinding svom/svom-messaging-leader-election",
		"ServiceAccount svom/svom-messaging",
	})
}

// The operator's rights end at its namespaces.
func TestNothingIsGrantedInTheWholeCluster(t *testing.T) {
	for _, folder := range []string{"default", "overlays/namespaces"} {
		for key, object := range render(t, manifests+"/"+folder) {
			switch object.(type) {
			case *rbac.ClusterRole, *rbac.ClusterRoleBinding:
				t.Errorf("%s: %s", folder, key)
			}
		}
	}
}

func TestAFurtherNamespaceAddsARoleAndAnArgument(t *testing.T) {
	one, two := render(t, manifests+"/default"), render(t, manifests+"/overlays/namespaces")
	added := []string{}
	for _, key := range two.Keys() {
		if _, known := one[key]; !known {
			added = append(added, key)
		}
	}
	equal(t, added, []string{"Role svom-test/svom-messaging", "RoleBinding svom-test/svom-messaging"})
	own := get[*rbac.Role](t, two, "Role", "svom", operator)
	further := get[*rbac.Role](t, two, "Role", "svom-test", operator)
	equal(t, further.Rules, own.Rules)
	binding := get[*rbac.RoleBinding](t, two, "RoleBinding", "svom-test", operator)
	equal(t, binding.Subjects, account("svom"))
	arguments := get[*apps.Deployment](t, two, "Deployment", "svom", operator).Spec.Template.Spec.Containers[0].Args
	equal(t, arguments, []string{"run", "--log=json", "--namespace=svom", "--namespace=svom-test"})
}

func account(namespace string) []rbac.Subject {
	return []rbac.Subject{{Kind: "ServiceAccount", Name: operator, Namespace: namespace}}
}

// An overlay of one's own names its namespace once.
func TestTheNamespaceOfAnOverlayReachesTheBindings(t *testing.T) {
	folder := overlay(t, map[string]any{"namespace": "elsewhere"}, "base")
	objects := render(t, folder)
	for _, name := range []string{operator, operator + "-leader-election"} {
		binding := get[*rbac.RoleBinding](t, objects, "RoleBinding", "elsewhere", name)
		equal(t, binding.Subjects, account("elsewhere"))
	}
}

func TestAnOverlayNamesTheImage(t *testing.T) {
	folder := overlay(t, map[string]any{
		"images": []any{map[string]any{"name": operator, "newName": "registry.example.org/svom", "newTag": "1"}},
	}, "default")
	deployment := get[*apps.Deployment](t, render(t, folder), "Deployment", "svom", operator)
	equal(t, deployment.Spec.Template.Spec.Containers[0].Image, "registry.example.org/svom:1")
}

// overlay makes a folder with a kustomization that builds on one of the project's.
func overlay(t *testing.T, fields map[string]any, on string) string {
	t.Helper()
	folder := t.TempDir()
	base, err := filepath.Abs(manifests + "/" + on)
	if err != nil {
		t.Fatal(err)
	}
	resolved, err := filepath.EvalSymlinks(folder)
	if err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(resolved, base)
	if err != nil {
		t.Fatal(err)
	}
	kustomization := map[string]any{"resources": []any{relative}}
	for field, value := range fields {
		kustomization[field] = value
	}
	text := asYAML(t, kustomization)
	if err := os.WriteFile(filepath.Join(folder, "kustomization.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return folder
}

// Who removes the operator by these tools keeps the definition, and with it every bus.
func TestToolsKeepWhatEveryBusHangsOn(t *testing.T) {
	argo := struct {
		Spec struct {
			Source struct {
				Kustomize struct {
					Patches []any `json:"patches"`
				} `json:"kustomize"`
			} `json:"source"`
		} `json:"spec"`
	}{}
	flux := struct {
		Spec struct {
			Patches []any `json:"patches"`
		} `json:"spec"`
	}{}
	document(t, manifests+"/gitops/argocd/applications.yaml", "svom-operator", &argo)
	document(t, manifests+"/gitops/flux/kustomizations.yaml", "svom-operator", &flux)
	for _, tool := range []struct {
		patches         []any
		annotation, say string
	}{
		{argo.Spec.Source.Kustomize.Patches, "argocd.argoproj.io/sync-options", "Prune=false,Delete=false"},
		{flux.Spec.Patches, "kustomize.toolkit.fluxcd.io/prune", "disabled"},
	} {
		objects := render(t, overlay(t, map[string]any{"patches": tool.patches}, "default"))
		kept := []string{}
		for _, key := range objects.Keys() {
			if objects[key].(meta.Object).GetAnnotations()[tool.annotation] == tool.say {
				kept = append(kept, key)
			}
		}
		equal(t, kept, []string{"CustomResourceDefinition svommessagings.messaging.svom.eu", "Namespace svom"})
	}
}

// Both profiles: the one in force in the namespace that is installed, and the one of clients there.
func TestEveryPodIsRestricted(t *testing.T) {
	evaluator, err := podsecurity.NewEvaluator(podsecurity.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	judge := func(name string, metadata meta.ObjectMeta, pod core.PodSpec) {
		for _, result := range evaluator.EvaluatePod(restricted, &metadata, &pod) {
			if !result.Allowed {
				t.Errorf("%s: %s: %s", name, result.ForbiddenReason, result.ForbiddenDetail)
			}
		}
	}
	namespace := get[*core.Namespace](t, parse(t, read(t, installed)), "Namespace", "", "svom")
	equal(t, namespace.Labels[api.EnforceLevelLabel], "restricted")
	template := get[*apps.Deployment](t, parse(t, read(t, installed)), "Deployment", "svom", operator).Spec.Template
	judge(operator, template.ObjectMeta, template.Spec)
	clients := parse(t, read(t, manifests+"/clients/client-pod.yaml"))
	for _, user := range []string{"alert-desk", "vhf-listener"} {
		pod := get[*core.Pod](t, clients, "Pod", "svom", user)
		judge(user, pod.ObjectMeta, pod.Spec)
	}
}

// document reads the one of this name out of a file of several.
func document(t *testing.T, path, name string, into any) {
	t.Helper()
	texts, err := documents(read(t, path))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, text := range texts {
		named := struct {
			Kind     string
			Metadata struct{ Name string }
		}{}
		if err := yaml.Unmarshal(text, &named); err != nil {
			t.Fatal(err)
		}
		if named.Metadata.Name != name {
			continue
		}
		found++
		if err := yaml.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	if found != 1 {
		t.Fatalf("%s has %d documents named %s", path, found, name)
	}
}
