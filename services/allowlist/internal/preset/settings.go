package preset

import (
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// maxSetting is how long a setting may be.
const maxSetting = 256

// settingsOf returns the settings of a preset as they are given or, where they are not,
// by their defaults. It reports false if one is missing, unknown or not valid.
func settingsOf(wanted []*allowlistv1.PresetSetting, given map[string]string) (map[string]string, bool) {
	settings := make(map[string]string, len(wanted))
	for _, setting := range wanted {
		value, ok := given[setting.GetName()]
		if !ok {
			value, ok = setting.GetDefaultValue(), setting.DefaultValue != nil
		}
		if !ok || !validSetting(value) {
			return nil, false
		}
		settings[setting.GetName()] = value
	}
	for name := range given {
		if _, ok := settings[name]; !ok {
			return nil, false
		}
	}
	return settings, true
}

// validSetting reports whether a text can stand in a header, inside of a JSON string and
// beside the placeholders of a template without changing what these are.
func validSetting(value string) bool {
	for i := range len(value) {
		if c := value[i]; c <= ' ' || c > '~' || strings.IndexByte(`"\{}`, c) >= 0 {
			return false
		}
	}
	return len(value) <= maxSetting
}

// fill puts settings in place of the `{{name}}` in all texts of a message, the names of
// headers included. References to secrets hold no texts.
func fill(m protoreflect.Message, settings map[string]string) {
	var pairs []string
	for name, value := range settings {
		pairs = append(pairs, "{{"+name+"}}", value)
	}
	f := filler{strings.NewReplacer(pairs...)}
	f.message(m)
}

// A filler replaces texts in messages.
type filler struct{ texts *strings.Replacer }

func (f filler) message(m protoreflect.Message) {
	if _, ok := m.Interface().(*allowlistv1.SecretRef); ok {
		return
	}
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.IsMap():
			f.entries(field, value.Map())
		case field.IsList():
			f.list(field, value.List())
		case field.Kind() == protoreflect.StringKind:
			m.Set(field, f.text(value.String()))
		case field.Message() != nil:
			f.message(value.Message())
		}
		return true
	})
}

func (f filler) text(text string) protoreflect.Value {
	return protoreflect.ValueOfString(f.texts.Replace(text))
}

// list fills the elements of a list. A text becomes as many as there are commas in the
// settings: that is how several paths fit into one.
func (f filler) list(field protoreflect.FieldDescriptor, list protoreflect.List) {
	switch {
	case field.Kind() == protoreflect.StringKind:
		var texts []string
		for i := range list.Len() {
			text := list.Get(i).String()
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
			f.message(list.Get(i).Message())
		}
	}
}

// entries fills the entries of a map, whose keys are texts.
func (f filler) entries(field protoreflect.FieldDescriptor, entries protoreflect.Map) {
	filled := make(map[string]protoreflect.Value, entries.Len())
	entries.Range(func(key protoreflect.MapKey, value protoreflect.Value) bool {
		if field.MapValue().Kind() == protoreflect.StringKind {
			value = f.text(value.String())
		} else {
			f.message(value.Message())
		}
		filled[f.texts.Replace(key.String())] = value
		entries.Clear(key)
		return true
	})
	for _, key := range slices.Sorted(maps.Keys(filled)) {
		entries.Set(protoreflect.ValueOfString(key).MapKey(), filled[key])
	}
}
