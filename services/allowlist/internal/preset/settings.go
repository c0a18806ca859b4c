package preset

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/keyward/keyward/pkg/fault"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/violation"
)

// maxSetting is the maximum length of a setting.
const maxSetting = 256

// settingForm is what [validSetting] requires.
const settingForm = "must be at most 256 visible characters without quotes, backslashes, and braces"

// settingsOf returns the settings of a preset, with the defaults of settings that are not given. A
// missing or invalid setting is a violation and is omitted.
func settingsOf(declared []*allowlistv1.PresetSetting, given map[string]string) (settings map[string]string, wrong []fault.Violation) {
	settings, known := make(map[string]string, len(declared)), make(map[string]bool, len(declared))
	for _, setting := range declared {
		name := setting.GetName()
		known[name] = true
		value, ok := given[name]
		if !ok {
			value, ok = setting.GetDefaultValue(), setting.DefaultValue != nil
		}
		switch {
		case !ok:
			wrong = append(wrong, fault.Violation{Field: violation.Entry(fieldSettings, name), Description: isRequired})
		case !validSetting(value):
			wrong = append(wrong, fault.Violation{
				Field:       violation.Entry(fieldSettings, name),
				Description: settingForm,
			})
		default:
			settings[name] = value
		}
	}
	for name := range given {
		if !known[name] {
			return settings, append(wrong, fault.Violation{Field: fieldSettings, Description: "must contain exactly these names: " + listed(known)})
		}
	}
	return settings, wrong
}

// validSetting reports whether a string can be part of a header, of a JSON string, and of a
// template, next to placeholders, without changing their meaning.
func validSetting(value string) bool {
	for i := range len(value) {
		if c := value[i]; c <= ' ' || c > '~' || strings.IndexByte(`"\{}`, c) >= 0 {
			return false
		}
	}
	return len(value) <= maxSetting
}

// A filler replaces `{{name}}` by settings in all strings of a message, including the names of
// headers, and references by the given secrets. It records the origin of each part. Names that are
// not given remain.
type filler struct {
	secrets map[string]*allowlistv1.SecretRef
	texts   *strings.Replacer
	origins origins
}

func newFiller(secrets map[string]*allowlistv1.SecretRef, settings map[string]string) *filler {
	var pairs []string
	for name, value := range settings {
		pairs = append(pairs, "{{"+name+"}}", value)
	}
	return &filler{secrets: secrets, texts: strings.NewReplacer(pairs...), origins: origins{}}
}

func (f *filler) message(path string, m protoreflect.Message) {
	if ref, ok := m.Interface().(*allowlistv1.SecretRef); ok {
		f.reference(path, ref)
		return
	}
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		at := path + "." + string(field.Name())
		switch {
		case field.IsMap():
			f.entries(at, field, value.Map())
		case field.IsList():
			f.list(at, field, value.List())
		case field.Kind() == protoreflect.StringKind:
			m.Set(field, f.text(at, value.String()))
		case field.Message() != nil:
			f.message(at, value.Message())
		}
		return true
	})
}

// reference writes the given secret into a reference. The preset determines the decoding, unless
// the secret is stored in another form.
func (f *filler) reference(path string, ref *allowlistv1.SecretRef) {
	name := strings.TrimPrefix(ref.GetName(), place)
	f.origins = append(f.origins, origin{path: path, field: violation.Entry(fieldSecrets, name), whole: true})
	given := f.secrets[name]
	ref.Name, ref.Version = given.GetName(), given.GetVersion()
	if given.GetDecoding() != allowlistv1.Decoding_DECODING_UNSPECIFIED {
		ref.Decoding = given.GetDecoding()
	}
}

func (f *filler) text(path, text string) protoreflect.Value {
	f.note(path, text)
	return protoreflect.ValueOfString(f.texts.Replace(text))
}

// note records the setting that a part comes from; the first one, if there are several.
func (f *filler) note(path, text string) {
	if _, rest, ok := strings.Cut(text, "{{"); ok {
		name, _, _ := strings.Cut(rest, "}}")
		f.origins = append(f.origins, origin{path: path, field: violation.Entry(fieldSettings, name)})
	}
}

// list fills the elements of a list. A setting with commas turns one string into several, so that
// it can contain several paths.
func (f *filler) list(path string, field protoreflect.FieldDescriptor, list protoreflect.List) {
	switch {
	case field.Kind() == protoreflect.StringKind:
		var texts []string
		for i := range list.Len() {
			text := list.Get(i).String()
			f.note(path, text)
			if filled := f.texts.Replace(text); filled != text {
				texts = append(texts, strings.Split(filled, ",")...)
			} else {
				texts = append(texts, text)
			}
		}
		list.Truncate(0)
		for _, text := range texts {
			list.Append(protoreflect.ValueOfString(text))
		}
	case field.Message() != nil:
		for i := range list.Len() {
			f.message(path+"["+strconv.Itoa(i)+"]", list.Get(i).Message())
		}
	}
}

// entries fills the entries of a map, whose keys are strings.
func (f *filler) entries(path string, field protoreflect.FieldDescriptor, entries protoreflect.Map) {
	filled := make(map[string]protoreflect.Value, entries.Len())
	entries.Range(func(key protoreflect.MapKey, value protoreflect.Value) bool {
		name := f.texts.Replace(key.String())
		at := violation.Entry(path, name)
		if field.MapValue().Kind() == protoreflect.StringKind {
			value = f.text(at, value.String())
		} else {
			f.message(at, value.Message())
		}
		f.note(at, key.String())
		f.note(path, key.String())
		filled[name] = value
		entries.Clear(key)
		return true
	})
	for _, key := range slices.Sorted(maps.Keys(filled)) {
		entries.Set(protoreflect.ValueOfString(key).MapKey(), filled[key])
	}
}
