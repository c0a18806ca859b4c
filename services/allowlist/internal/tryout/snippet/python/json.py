# The string at a path of a JSON document.
def pick(document, *path):
    return unquoted(raw(document, *path))

# All strings at a path of a JSON document; "*" matches every element.
def find(document, *path):
    found = [document]
    for step in path:
        following = []
        for value in found:
            inside = members(value)
            following += inside.values() if step == "*" else [inside[step]] if step in inside else []
        found = following
    return [unquoted(value) for value in found]

# The exact JSON text of the value at a path of a document.
def raw(document, *path):
    for step in path:
        document = members(document)[step]
    return document

# The members of a JSON object, or the elements of an array, as exact JSON text.
def members(document):
    found, depth, start, name = {}, 0, 0, None
    for token in re.finditer(r'"(?:[^"\\]|\\.)*"|[^"]', document, re.DOTALL):
        text = token.group()
        before = document[start:token.start()].strip() if depth == 1 else ""
        if depth == 1 and text == ":":
            name = json.loads(before)
        elif text in ",]}" and before:
            found[str(len(found)) if name is None else name] = before
        if text in "[{":
            depth += 1
        if depth == 1 and text in "[{,:":
            start = token.end()
        if text in "]}":
            depth -= 1
    return found

# Text, quoted as a JSON string.
def quoted(text):
    return json.dumps(text, ensure_ascii=False)

# The content of a JSON string, or the JSON text of any other value.
def unquoted(value):
    return json.loads(value) if value.startswith('"') else value

# A form with the values of these names decrypted.
def open_form(form, *names):
    pairs = []
    for pair in form.split("&"):
        name, _, value = pair.partition("=")
        if unquote_plus(name) in names and value:
            pair = name + "=" + quote_plus(open_value(unquote_plus(value)))
        pairs.append(pair)
    return "&".join(pairs)
