/* Predict requests, JSON to arrays. Called through request_decoder.py, which says what they mean.
 *
 * Takes the plain forms that clients send; at anything else it gives up, and Python's json decides
 * whether that is JSON. Whatever it takes is JSON and means the same there, to which a test holds
 * it. No allocation, no libc, no state: any number of threads may call it, on any x86-64 Linux.
 * Nothing at or after `end` is read.
 *
 * Functions return the byte after what they have read, or 0 to give up.
 */
#include <stdint.h>

enum { INDEXES = 1, VALUES = 2, SAMPLES = 4, LABELS = 8, ROWS = 16 };

enum {
  NUM_FIELDS = 39,
  MAX_DIGITS = 18 /* all numbers of so many digits are int64 */
};

/* What is found; the same layout as request_decoder's ctypes.Structure.
 *
 * Space: each number and each label takes two bytes of the body at least, each index eight, and a
 * line is no longer than the row that it comes from.
 */
typedef struct {
  int64_t *indexes; /* [size / 8, 3] */
  int64_t *values;  /* [size / 2] */
  uint8_t *labels;  /* [size / 2], 0 or 1 */
  uint8_t *text;    /* [size], lines with a label, 0 if the row has none */
  int64_t keys;     /* which of the above the request has */
  int64_t num_indexes;
  int64_t num_values;
  int64_t samples;
  int64_t num_labels;
  int64_t labels_nested; /* [[0], ...] rather than [0, ...] */
  int64_t labels_floats; /* 0.0 rather than 0 */
  int64_t num_rows;
  int64_t rows_labelled;
  int64_t text_size;
} request_t;

static inline const uint8_t *space(const uint8_t *p, const uint8_t *end) {
  while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
  return p;
}

/* Reads one symbol, and white space before it. */
static inline const uint8_t *symbol(const uint8_t *p, const uint8_t *end, uint8_t wanted) {
  p = space(p, end);
  return p < end && *p == wanted ? p + 1 : 0;
}

static const uint8_t *word(const uint8_t *p, const uint8_t *end, const char *wanted) {
  for (; *wanted; wanted++, p++) {
    if (p == end || *p != (uint8_t)*wanted) return 0;
  }
  return p;
}

/* Reads up to the first item of a list, or to the end of an empty one: then `more` is 0. */
static const uint8_t *list(const uint8_t *p, const uint8_t *end, int *more) {
  p = symbol(p, end, '[');
  if (!p) return 0;
  p = space(p, end);
  if (p == end) return 0;
  *more = *p != ']';
  return *more ? p : p + 1;
}

/* Reads what follows an item: a comma, or the end of the list or object. */
static inline const uint8_t *separator(const uint8_t *p, const uint8_t *end, uint8_t last,
                                       int *more) {
  p = space(p, end);
  if (p == end || (*p != ',' && *p != last)) return 0;
  *more = *p == ',';
  return p + 1;
}

/* What follows says whether the number ends here: a point, an exponent or a digit is no separator. */
static inline const uint8_t *integer(const uint8_t *p, const uint8_t *end, int64_t *out) {
  p = space(p, end);
  const int negative = p < end && *p == '-';
  p += negative;
  const uint8_t *const first = p;
  int64_t value = 0;
  while (p < end && p < first + MAX_DIGITS && (uint8_t)(*p - '0') <= 9) {
    value = value * 10 + (*p++ - '0');
  }
  if (p == first || (*first == '0' && p > first + 1)) return 0;
  *out = negative ? -value : value;
  return p;
}

static const uint8_t *read_indexes(const uint8_t *p, const uint8_t *end, request_t *request) {
  int64_t *out = request->indexes;
  int more;
  for (p = list(p, end, &more); p && more; out += 3) {
    if (!(p = symbol(p, end, '['))) return 0;
    if (!(p = integer(p, end, out)) || !(p = symbol(p, end, ','))) return 0;
    if (!(p = integer(p, end, out + 1)) || !(p = symbol(p, end, ','))) return 0;
    if (!(p = integer(p, end, out + 2)) || !(p = symbol(p, end, ']'))) return 0;
    p = separator(p, end, ']', &more);
  }
  request->num_indexes = (out - request->indexes) / 3;
  return p;
}

static const uint8_t *read_values(const uint8_t *p, const uint8_t *end, request_t *request) {
  int64_t *out = request->values;
  int more;
  for (p = list(p, end, &more); p && more; out++) {
    if (!(p = integer(p, end, out))) return 0;
    p = separator(p, end, ']', &more);
  }
  request->num_values = out - request->values;
  return p;
}

/* Reads 0, 1, 0.0 or 1.0. */
static const uint8_t *label(const uint8_t *p, const uint8_t *end, uint8_t *out, int *is_float) {
  p = space(p, end);
  if (p == end || (*p != '0' && *p != '1')) return 0;
  *out = *p++ == '1';
  const uint8_t *const fraction = word(p, end, ".0");
  *is_float = fraction != 0;
  return fraction ? fraction : p;
}

/* All have to look like the first one, as the elements of an array are alike. */
static const uint8_t *read_labels(const uint8_t *p, const uint8_t *end, request_t *request) {
  uint8_t *out = request->labels;
  int more, is_float;
  if (!(p = list(p, end, &more)) || !more) return 0;
  const int nested = *p == '[';
  for (; more; out++) {
    if (nested && !(p = symbol(p, end, '['))) return 0;
    if (!(p = label(p, end, out, &is_float))) return 0;
    if (nested && !(p = symbol(p, end, ']'))) return 0;
    if (out == request->labels) request->labels_floats = is_float;
    if (is_float != request->labels_floats) return 0;
    if (!(p = separator(p, end, ']', &more))) return 0;
  }
  request->labels_nested = nested;
  request->num_labels = out - request->labels;
  return p;
}

/* Reads a string of printable ASCII and \t to `out`, which it moves on, and counts the tabs. */
static const uint8_t *string(const uint8_t *p, const uint8_t *end, uint8_t **out, int64_t *tabs) {
  uint8_t *to = *out;
  *tabs = 0;
  if (!(p = symbol(p, end, '"'))) return 0;
  while (p < end && *p != '"') {
    if (*p == '\\') {
      if (!(p = word(p, end, "\\t"))) return 0;
      *to++ = '\t';
      ++*tabs;
    } else {
      if (*p < ' ' || *p > '~') return 0;
      *to++ = *p++;
    }
  }
  *out = to;
  return p < end ? p + 1 : 0;
}

/* Counts what look like tabs until the string that starts at p ends. */
static int64_t tabs_ahead(const uint8_t *p, const uint8_t *end) {
  int64_t tabs = 0;
  if (!(p = symbol(p, end, '"'))) return 0;
  for (; p < end && *p != '"'; p++) tabs += *p == '\\';
  return tabs;
}

static const uint8_t *read_rows(const uint8_t *p, const uint8_t *end, request_t *request) {
  uint8_t *out = request->text;
  int more;
  if (!(p = list(p, end, &more)) || !more) return 0;
  const int labelled = tabs_ahead(p, end) == NUM_FIELDS;
  while (more) {
    int64_t tabs;
    if (!labelled) {
      /* There is space: the row's quotes and the tabs' backslashes are not copied. */
      if (tabs_ahead(p, end) != NUM_FIELDS - 1) return 0;
      *out++ = '0';
      *out++ = '\t';
    }
    if (!(p = string(p, end, &out, &tabs))) return 0;
    if (tabs != NUM_FIELDS - !labelled) return 0;
    *out++ = '\n';
    request->num_rows++;
    if (!(p = separator(p, end, ']', &more))) return 0;
  }
  request->rows_labelled = labelled;
  request->text_size = out - request->text;
  return p;
}

/* Returns 1 if all of the body has been understood; else what is found means nothing. */
int32_t request_decode(const uint8_t *body, int64_t size, request_t *request) {
  const uint8_t *const end = body + size, *p = symbol(body, end, '{'), *next;
  int more = 1;
  while (p && more) {
    int64_t key;
    p = space(p, end);
    if ((next = word(p, end, "\"indexes\""))) key = INDEXES;
    else if ((next = word(p, end, "\"values\""))) key = VALUES;
    else if ((next = word(p, end, "\"samples\""))) key = SAMPLES;
    else if ((next = word(p, end, "\"labels\""))) key = LABELS;
    else if ((next = word(p, end, "\"rows\""))) key = ROWS;
    else return 0;
    if (request->keys & key) return 0; /* the last one counts, but the space is used */
    request->keys |= key;
    if (!(p = symbol(next, end, ':'))) return 0;
    switch (key) {
      case INDEXES: p = read_indexes(p, end, request); break;
      case VALUES: p = read_values(p, end, request); break;
      case SAMPLES: p = integer(p, end, &request->samples); break;
      case LABELS: p = read_labels(p, end, request); break;
      default: p = read_rows(p, end, request);
    }
    if (!p || !(p = separator(p, end, '}', &more))) return 0;
  }
  /* Rows have labels of their own; of what else such a request holds json has to say the type. */
  if (request->keys & ROWS && request->keys != ROWS) return 0;
  return p && space(p, end) == end;
}
