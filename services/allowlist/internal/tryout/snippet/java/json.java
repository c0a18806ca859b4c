  /** The string at a path of a JSON document. */
  static String pick(String json, String... path) {
    return unquoted(raw(json, path));
  }

  /** All strings at a path of a JSON document; "*" matches every element. */
  static List<String> find(String json, String... path) {
    List<String> found = List.of(json);
    for (String step : path) {
      List<String> next = new ArrayList<>();
      for (String value : found) {
        Map<String, String> members = members(value);
        if (step.equals("*")) next.addAll(members.values());
        else if (members.containsKey(step)) next.add(members.get(step));
      }
      found = next;
    }
    return found.stream().map(Open::unquoted).toList();
  }

  /** The exact JSON text of the value at a path of a document. */
  static String raw(String json, String... path) {
    for (String step : path) json = members(json).get(step);
    return json;
  }

  /** The members of a JSON object, or the elements of an array, as exact JSON text. */
  static Map<String, String> members(String json) {
    Map<String, String> found = new LinkedHashMap<>();
    int depth = 0, start = 0;
    String name = null;
    Matcher tokens = Pattern.compile("\"(?:[^\"\\\\]++|\\\\.)*+\"|[^\"]", Pattern.DOTALL).matcher(json);
    while (tokens.find()) {
      String token = tokens.group();
      String before = depth == 1 ? json.substring(start, tokens.start()).strip() : "";
      if (depth == 1 && token.equals(":")) {
        name = unquoted(before);
      } else if (",]}".contains(token) && !before.isEmpty()) {
        found.put(name == null ? String.valueOf(found.size()) : name, before);
      }
      if ("[{".contains(token)) depth++;
      if (depth == 1 && "[{,:".contains(token)) start = tokens.end();
      if ("]}".contains(token)) depth--;
    }
    return found;
  }

  /** Text, quoted as a JSON string. */
  static String quoted(String text) {
    StringBuilder json = new StringBuilder("\"");
    for (char c : text.toCharArray()) {
      switch (c) {
        case '"', '\\' -> json.append('\\').append(c);
        case '\n' -> json.append("\\n");
        case '\r' -> json.append("\\r");
        case '\t' -> json.append("\\t");
        case '\b' -> json.append("\\b");
        case '\f' -> json.append("\\f");
        default -> json.append(c < ' ' ? String.format("\\u%04x", (int) c) : String.valueOf(c));
      }
    }
    return json.append('"').toString();
  }

  /** The content of a JSON string, or the JSON text of any other value. */
  static String unquoted(String json) {
    if (!json.startsWith("\"")) return json;
    StringBuilder text = new StringBuilder();
    for (int i = 1; i < json.length() - 1; i++) {
      char c = json.charAt(i);
      if (c == '\\') {
        c = json.charAt(++i);
        switch (c) {
          case 'n' -> c = '\n';
          case 'r' -> c = '\r';
          case 't' -> c = '\t';
          case 'b' -> c = '\b';
          case 'f' -> c = '\f';
          case 'u' -> {
            c = (char) Integer.parseInt(json.substring(i + 1, i + 5), 16);
            i += 4;
          }
          default -> { }
        }
      }
      text.append(c);
    }
    return text.toString();
  }

  /** A form with the values of these names decrypted. */
  static String openForm(String form, String... names) throws Exception {
    List<String> pairs = new ArrayList<>();
    for (String pair : form.split("&")) {
      String[] parts = (pair + "=").split("=", 3);
      String name = URLDecoder.decode(parts[0], StandardCharsets.UTF_8);
      String value = URLDecoder.decode(parts[1], StandardCharsets.UTF_8);
      if (List.of(names).contains(name) && !value.isEmpty()) {
        String opened = new String(open(value), StandardCharsets.UTF_8);
        pair = parts[0] + "=" + URLEncoder.encode(opened, StandardCharsets.UTF_8);
      }
      pairs.add(pair);
    }
    return String.join("&", pairs);
  }
