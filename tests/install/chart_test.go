package install

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	policy "k8s.io/api/policy/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

const chart = "../../charts/svom-messaging"

// program is the helm command that the gate builds; without it a test is skipped.
func program(t *testing.T) string {
	t.Helper()
	program := os.Getenv("SVOM_HELM")
	if program == "" {
		t.Skip("SVOM_HELM names no helm: `cargo xtask test --only installation` builds one")
	}
	return program
}

// helm runs the command; what it says on both outputs is given back apart.
func helm(t *testing.T, arguments ...string) (string, string, error) {
	t.Helper()
	command := exec.Command(program(t), arguments...)
	home := t.TempDir()
	command.Env = append(os.Environ(), "HOME="+home, "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home,
		"HELM_DATA_HOME="+home, "KUBECONFIG="+home+"/none")
	var output, complaint bytes.Buffer
	command.Stdout, command.Stderr = &output, &complaint
	err := command.Run()
	return output.String(), complaint.String(), err
}

func template(t *testing.T, arguments ...string) Objects {
	t.Helper()
	arguments = append([]string{"template", "release", chart, "--namespace", "svom"}, arguments...)
	output, complaint, err := helm(t, arguments...)
	if err != nil {
		t.Fatalf("%v: %s", err, complaint)
	}
	return parse(t, []byte(output))
}

func TestTheChartIsInOrder(t *testing.T) {
	output, complaint, err := helm(t, "lint", "--strict", "--quiet", chart)
	if err != nil {
		t.Fatalf("%v: %s%s", err, output, complaint)
	}
}

func TestTheChartMakesWhatTheManifestsMake(t *testing.T) {
	compare(t, template(t), render(t, manifests+"/default"))
}

func TestFurtherNamespacesAreThoseOfTheOverlay(t *testing.T) {
	compare(t, template(t, "--set", "namespaces={svom-test}"), render(t, manifests+"/overlays/namespaces"))
}

// The release's own namespace is always looked after; naming it too is no mistake.
func TestTheReleasesOwnNamespaceMayBeNamed(t *testing.T) {
	equal(t, template(t, "--set", "namespaces={svom,svom-test}"), template(t, "--set", "namespaces={svom-test}"))
}

// compare finds the same objects but for what Helm itself adds, and the namespace, which Helm makes
// where it is asked to (--create-namespace).
func compare(t *testing.T, ofChart, ofManifests Objects) {
	t.Helper()
	delete(ofManifests, Key("Namespace", "", "svom"))
	for _, object := range ofChart {
		strip(object.(meta.Object))
		if deployment, ok := object.(*apps.Deployment); ok {
			strip(&deployment.Spec.Template.ObjectMeta)
		}
	}
	equal(t, ofChart, ofManifests)
}

func strip(object meta.Object) {
	labels, annotations := object.GetLabels(), object.GetAnnotations()
	for _, label := range []string{"instance", "managed-by", "version"} {
		delete(labels, "app.kubernetes.io/"+label)
	}
	delete(labels, "helm.sh/chart")
	delete(annotations, "helm.sh/resource-policy")
	object.SetLabels(labels)
	object.SetAnnotations(annotations)
}

func TestTheDefinitionComesAndStaysWithTheRelease(t *testing.T) {
	const name = "svommessagings.messaging.svom.eu"
	definition := get[*apiextensions.CustomResourceDefinition](t, template(t), "CustomResourceDefinition", "", name)
	equal(t, definition.Annotations, map[string]string{"helm.sh/resource-policy": "keep"})
	objects := template(t, "--set", "crd.install=false")
	if _, there := objects[Key("CustomResourceDefinition", "", name)]; there {
		t.Error("the definition is installed where it is not wanted")
	}
}

func TestValuesReachTheDeployment(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0", 64)
	values := map[string]any{
		"image": map[string]any{
			"repository": "registry.example.org/svom", "digest": digest, "pullPolicy": "Always",
			"pullSecrets": []any{map[string]any{"name": "mirror"}},
		},
		"replicas":                  1,
		"log":                       "text",
		"serviceAccount":            map[string]any{"annotations": map[string]any{"a": "b"}},
		"podDisruptionBudget":       map[string]any{"enabled": true},
		"resources":                 map[string]any{"limits": map[string]any{"memory": "1Gi"}},
		"podLabels":                 map[string]any{"label": "x"},
		"podAnnotations":            map[string]any{"annotation": "x"},
		"nodeSelector":              map[string]any{"node": "x"},
		"tolerations":               []any{map[string]any{"operator": "Exists"}},
		"topologySpreadConstraints": []any{map[string]any{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}},
		"priorityClassName":         "high",
		"affinity":                  map[string]any{"nodeAffinity": map[string]any{}},
	}
	file := t.TempDir() + "/values.yaml"
	if err := os.WriteFile(file, []byte(asYAML(t, values)), 0o600); err != nil {
		t.Fatal(err)
	}
	objects := template(t, "--values", file)
	deployment := get[*apps.Deployment](t, objects, "Deployment", "svom", operator)
	pod := deployment.Spec.Template
	container := pod.Spec.Containers[0]
	equal(t, map[string]any{
		"image": container.Image, "pull": container.ImagePullPolicy, "secrets": pod.Spec.ImagePullSecrets,
		"replicas": deployment.Spec.Replicas, "arguments": container.Args, "limits": container.Resources.Limits,
		"label": pod.Labels["label"], "annotations": pod.Annotations, "nodes": pod.Spec.NodeSelector,
		"tolerations": pod.Spec.Tolerations, "zones": pod.Spec.TopologySpreadConstraints[0].TopologyKey,
		"priority": pod.Spec.PriorityClassName, "affinity": pod.Spec.Affinity,
	}, map[string]any{
		"image": "registry.example.org/svom@" + digest, "pull": "Always", "secrets": []any{map[string]any{"name": "mirror"}},
		"replicas": 1, "arguments": []any{"run", "--log=text"}, "limits": map[string]any{"memory": "1Gi"},
		"label": "x", "annotations": map[string]any{"annotation": "x"}, "nodes": map[string]any{"node": "x"},
		"tolerations": []any{map[string]any{"operator": "Exists"}}, "zones": "zone",
		"priority": "high", "affinity": map[string]any{"nodeAffinity": map[string]any{}},
	})
	budget := get[*policy.PodDisruptionBudget](t, objects, "PodDisruptionBudget", "svom", operator)
	equal(t, budget.Spec.Selector, deployment.Spec.Selector)
	account := objects[Key("ServiceAccount", "svom", operator)].(meta.Object)
	equal(t, account.GetAnnotations(), map[string]string{"a": "b"})
}

func TestWrongValuesAreRefused(t *testing.T) {
	program(t)
	for value, complaint := range map[string]string{
		"replica=1":                         "'replica' not allowed",
		"replicas=-1":                       "/replicas",
		"replicas=two":                      "/replicas",
		"image.pullPolicy=Sometimes":        "/image/pullPolicy",
		"image.digest=sha256:1":             "/image/digest",
		"image.name=x":                      "'name' not allowed",
		"namespaces=svom":                   "/namespaces",
		"namespaces={Svom}":                 "/namespaces/0",
		"namespaces={a,a}":                  "/namespaces",
		"crd.install=maybe":                 "/crd/install",
		"log=xml":                           "/log",
		"nodeSelector.a=1":                  "/nodeSelector/a",
		"resources.limit.memory=1Gi":        "'limit' not allowed",
		"podDisruptionBudget.enabled=maybe": "/podDisruptionBudget/enabled",
	} {
		t.Run(value, func(t *testing.T) {
			_, said, err := helm(t, "template", "release", chart, "--set", value)
			if err == nil || !strings.Contains(said, complaint) {
				t.Errorf("%v: %s: %q is not said", err, said, complaint)
			}
		})
	}
}

// A value that the schema knows and values.yaml does not would be found by nobody.
func TestEveryValueIsInValuesYAML(t *testing.T) {
	type node struct {
		Properties map[string]*node `json:"properties"`
	}
	schema, values := node{}, map[string]any{}
	if err := yaml.Unmarshal(read(t, chart+"/values.schema.json"), &schema); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(read(t, chart+"/values.yaml"), &values); err != nil {
		t.Fatal(err)
	}
	var walk func(path string, schema *node, values map[string]any)
	walk = func(path string, schema *node, values map[string]any) {
		for name, property := range schema.Properties {
			value, there := values[name]
			if !there && path+name != "global" {
				t.Errorf("%s%s is not in values.yaml", path, name)
			}
			if below, ok := value.(map[string]any); ok {
				walk(path+name+".", property, below)
			}
		}
	}
	walk("", &schema, values)
}

// What Helm prints at the end is what one does next.
func TestTheNotesSayWhatToDoNext(t *testing.T) {
	output, complaint, err := helm(t, "install", "release", chart, "--namespace", "svom", "--dry-run=client")
	if err != nil {
		t.Fatalf("%v: %s", err, complaint)
	}
	_, notes, _ := strings.Cut(output, "NOTES:")
	for _, command := range []string{
		"kubectl -n svom rollout status deployment/svom-messaging",
		"kubectl -n svom apply -f - <<EOF",
		"kubectl -n svom wait --for=condition=Ready --timeout=5m svm/fsc",
	} {
		if !strings.Contains(notes, command) {
			t.Errorf("%q is not in the notes:\n%s", command, notes)
		}
	}
}
