  /** The text of the value at a path of a JSON document: a string, or the JSON of another value. */
  static String field(String json, String... path) {
    return unquoted(raw(json, path));
  }

  /** The members of the JSON object at a path, sorted by name. */
  static Map<String, String> sortedMembers(String json, String... path) {
    Map<String, String> members = members(raw(json, path));
    members.replaceAll((name, value) -> unquoted(value));
    return byName(members);
  }

  /** A JSON object without the member at a path. */
  static String withoutMember(String json, String... path) {
    List<String> kept = new ArrayList<>();
    members(json).forEach((name, value) -> {
      boolean on = name.equals(path[0]);
      if (on && path.length > 1) value = withoutMember(value, Arrays.copyOfRange(path, 1, path.length));
      if (!on || path.length > 1) kept.add(quoted(name) + ":" + value);
    });
    return "{" + String.join(",", kept) + "}";
  }

  /** JSON without the blanks between its tokens. */
  static String minify(String json) {
    return json.replaceAll("(\"(?:[^\"\\\\]++|\\\\.)*+\")|\\s+", "$1");
  }

  /** The decoded pairs of a form or a query, sorted by name. */
  static Map<String, String> formPairs(String text) {
    Map<String, String> pairs = new LinkedHashMap<>();
    for (String pair : text.split("&")) {
      String[] parts = (pair + "=").split("=", 3);
      if (!pair.isEmpty()) pairs.put(fromForm(parts[0]), fromForm(pair.contains("=") ? pair.substring(parts[0].length() + 1) : ""));
    }
    return byName(pairs);
  }

  /** A form or a query without some of its pairs. */
  static String withoutPairs(String text, String... names) {
    List<String> kept = new ArrayList<>(List.of(text.split("&")));
    kept.removeIf(pair -> List.of(names).contains(fromForm(pair.split("=", 2)[0])));
    return String.join("&", kept);
  }

  static String fromForm(String text) {
    return URLDecoder.decode(text, StandardCharsets.UTF_8);
  }

  /** A map, sorted by the bytes of the names. */
  static Map<String, String> byName(Map<String, String> pairs) {
    Map<String, String> sorted = new LinkedHashMap<>();
    for (String name : sortedOf(new ArrayList<>(pairs.keySet()))) sorted.put(name, pairs.get(name));
    return sorted;
  }

  static String joinPairs(Map<String, String> pairs, String between, String separator) {
    List<String> joined = new ArrayList<>();
    pairs.forEach((name, value) -> joined.add(name + between + value));
    return String.join(separator, joined);
  }

  static Map<String, String> withoutEmpty(Map<String, String> pairs) {
    Map<String, String> kept = new LinkedHashMap<>(pairs);
    kept.values().removeIf(String::isEmpty);
    return kept;
  }

  static Map<String, String> omitPairs(Map<String, String> pairs, List<String> names) {
    Map<String, String> kept = new LinkedHashMap<>(pairs);
    kept.keySet().removeAll(names);
    return kept;
  }

  static Map<String, String> selectPairs(Map<String, String> pairs, List<String> names) {
    Map<String, String> kept = new LinkedHashMap<>(pairs);
    kept.keySet().retainAll(names);
    return kept;
  }

  static List<String> keysOf(Map<String, String> pairs) {
    return List.copyOf(pairs.keySet());
  }

  static List<String> valuesOf(Map<String, String> pairs) {
    return List.copyOf(pairs.values());
  }

  static List<String> sortedOf(List<String> texts) {
    return texts.stream().sorted((a, b) -> Arrays.compareUnsigned(a.getBytes(StandardCharsets.UTF_8), b.getBytes(StandardCharsets.UTF_8))).toList();
  }

  /** Percent-encoding of all but unreserved characters (RFC 3986). */
  static String percentEncoded(String text) {
    return formEncoded(text).replace("+", "%20").replace("*", "%2A").replace("%7E", "~");
  }

  static Map<String, String> percentEncodedPairs(Map<String, String> pairs) {
    Map<String, String> encoded = new LinkedHashMap<>();
    pairs.forEach((name, value) -> encoded.put(percentEncoded(name), percentEncoded(value)));
    return byName(encoded);
  }

  /** The encoding of forms (URL Standard). */
  static String formEncoded(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8);
  }

  static Map<String, String> formEncodedPairs(Map<String, String> pairs) {
    Map<String, String> encoded = new LinkedHashMap<>();
    pairs.forEach((name, value) -> encoded.put(formEncoded(name), formEncoded(value)));
    return byName(encoded);
  }

  static String unescaped(String text) {
    return URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8);
  }

  /** Base64 in either alphabet. */
  static byte[] unbase64(String text) {
    return Base64.getDecoder().decode(text.replace("-", "+").replace("_", "/"));
  }

  /** What stands between two strings. */
  static String between(String text, String before, String after) {
    String rest = text.substring(text.indexOf(before) + before.length());
    return rest.substring(0, rest.indexOf(after));
  }
