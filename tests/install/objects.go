// Package install renders what installs the operator, as kubectl and Helm render it, and reads it as
// the API server does.
//
// In: folders of `manifests/`, the chart with values. Out: objects, each decoded into the API's own type
// without an unknown field. It talks to no API server.
package install

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"sort"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	rbac "k8s.io/api/rbac/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// Objects are what a text of several YAML documents holds, by kind, namespace and name.
type Objects map[string]runtime.Object

// Kustomize renders a folder as `kubectl kustomize` does.
func Kustomize(folder string) ([]byte, error) {
	kustomizer := krusty.MakeKustomizer(krusty.MakeDefaultOptions())
	rendered, err := kustomizer.Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		return nil, err
	}
	return rendered.AsYaml()
}

// Read decodes every document, strictly: an unknown field, or one that is there twice, is an error.
func Read(text []byte) (Objects, error) {
	decoder, err := strictDecoder()
	if err != nil {
		return nil, err
	}
	texts, err := documents(text)
	if err != nil {
		return nil, err
	}
	objects := Objects{}
	for _, document := range texts {
		object, kind, err := decoder.Decode(document, nil, nil)
		if err != nil {
			return nil, fmt.Errorf("%w\n%s", err, document)
		}
		named, ok := object.(meta.Object)
		if !ok {
			return nil, fmt.Errorf("%s has no name", kind)
		}
		key := Key(kind.Kind, named.GetNamespace(), named.GetName())
		if _, twice := objects[key]; twice {
			return nil, fmt.Errorf("%s is there twice", key)
		}
		objects[key] = object
	}
	return objects, nil
}

// documents are those of a text that hold more than comments.
func documents(text []byte) ([][]byte, error) {
	all := [][]byte{}
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if !isEmpty(document) {
			all = append(all, document)
		}
	}
}

// Key is how an object is named among others.
func Key(kind, namespace, name string) string {
	if namespace != "" {
		name = namespace + "/" + name
	}
	return kind + " " + name
}

// Keys are the names of all, sorted.
func (o Objects) Keys() []string {
	keys := make([]string, 0, len(o))
	for key := range o {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

func isEmpty(document []byte) bool {
	for _, line := range bytes.Split(document, []byte("\n")) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && !bytes.Equal(line, []byte("---")) {
			return false
		}
	}
	return true
}

func strictDecoder() (runtime.Decoder, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		core.AddToScheme, apps.AddToScheme, policy.AddToScheme, rbac.AddToScheme, apiextensions.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer(), nil
}
