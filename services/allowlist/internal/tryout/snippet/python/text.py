# The text of the value at a path of a JSON document: a string, or the JSON of another value.
def field(document, *path):
    return unquoted(raw(document, *path))

# The members of the JSON object at a path, sorted by name.
def sorted_members(document, *path):
    return by_name((name, unquoted(value)) for name, value in members(raw(document, *path)).items())

# A JSON object without the member at a path.
def without_member(document, step, *path):
    kept = members(document)
    if path:
        kept[step] = without_member(kept[step], *path)
    else:
        del kept[step]
    return "{" + ",".join(quoted(name) + ":" + value for name, value in kept.items()) + "}"

# JSON without the blanks between its tokens.
def minify(document):
    return re.sub(r'("(?:[^"\\]|\\.)*")|\s+', lambda found: found[1] or "", document, flags=re.DOTALL)

# The decoded pairs of a form or a query, sorted by name.
def form_pairs(text):
    pairs = [pair.partition("=") for pair in text.split("&") if pair]
    return by_name((unquote_plus(name), unquote_plus(value)) for name, _, value in pairs)

# A form or a query without some of its pairs.
def without_pairs(text, *names):
    return "&".join(pair for pair in text.split("&") if unquote_plus(pair.partition("=")[0]) not in names)

# A map of pairs, sorted by name.
def by_name(pairs):
    return dict(sorted(pairs))

def join_pairs(pairs, between, separator):
    return separator.join(name + between + value for name, value in pairs.items())

def without_empty(pairs):
    return {name: value for name, value in pairs.items() if value}

def omit_pairs(pairs, names):
    return {name: value for name, value in pairs.items() if name not in names}

def select_pairs(pairs, names):
    return {name: value for name, value in pairs.items() if name in names}

def keys_of(pairs):
    return list(pairs.keys())

def values_of(pairs):
    return list(pairs.values())

def sorted_of(texts):
    return sorted(texts)

# Percent-encoding of all but unreserved characters (RFC 3986).
def percent_encoded(text):
    return percent_quote(text, safe="~")

def percent_encoded_pairs(pairs):
    return by_name((percent_encoded(name), percent_encoded(value)) for name, value in pairs.items())

# The encoding of forms (URL Standard).
def form_encoded(text):
    return quote_plus(text, safe="*").replace("~", "%7E")

def form_encoded_pairs(pairs):
    return by_name((form_encoded(name), form_encoded(value)) for name, value in pairs.items())

def unescaped(text):
    return percent_unquote(text)

# Base64 in either alphabet.
def unbase64(text):
    return base64.urlsafe_b64decode(text.replace("+", "-").replace("/", "_") + "==")

# What stands between two strings.
def between(text, before, after):
    return text.split(before)[1].split(after)[0]
