/* The inner loops of the pipeline: Criteo text to columns and back, CRC32C, missing bits, batches.
 *
 * Called through kernel.py, which says what the pointers hold. No allocation, no libc, no state: the
 * library runs on any x86-64 Linux with SSE 4.2, and any number of threads may call it. What a
 * well-formed line is, text.py says; both are tested to agree on arbitrary bytes.
 *
 * Eight bytes of text are handled at once in a 64-bit word whose lowest byte is the first one.
 */
#include <stdint.h>

enum {
  NUM_DENSE = 13,
  NUM_SPARSE = 26,
  NUM_FIELDS = NUM_DENSE + NUM_SPARSE,
  MISSING_BYTES = 5,    /* 39 bits, the lowest bit of the first byte is I1 */
  HEX_LANES = 28,       /* NUM_SPARSE, rounded up so that the loop over them has no rest */
  MAX_INT32_DIGITS = 10
};

/* What is compiled again for newer processors has to be part of its caller. */
#define INLINE static inline __attribute__((always_inline))

/* A byte in all eight places of a word. */
#define EACH(byte) ((uint64_t)0x0101010101010101 * (byte))

static inline uint64_t load(const uint8_t *p) {
  uint64_t word;
  __builtin_memcpy(&word, p, sizeof word);
  return word;
}

/* For numbers at any address, since rows may be part of a file. */
static inline uint32_t load32(const void *p) {
  uint32_t word;
  __builtin_memcpy(&word, p, sizeof word);
  return word;
}

/* 0 where the processor lacks SSE 4.2, which all here is compiled for, or AVX; 2 where it has AVX2
 * and BMI2 for criteo_parse_avx2(); else 1. */
__attribute__((target("no-sse4.2"))) int32_t criteo_supported(void) {
  const uint32_t wanted = 1u << 20 | 1u << 28, wanted_too = 1u << 5 | 1u << 8 | 1u << 3;
  uint32_t a = 1, b, c = 0, d;
  __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  if ((c & wanted) != wanted) return 0;
  a = 7;
  c = 0;
  __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  return (b & wanted_too) == wanted_too ? 2 : 1;
}

/* Marks the upper halves of the vector registers as unused; see kernel.py. */
void criteo_leave_avx(void) { __asm__ volatile("vzeroupper"); }

/* Parses an integer of 8 digits or more; returns the byte after its tab, or 0. */
static const uint8_t *long_integer(const uint8_t *p, int32_t *out) {
  const int negative = *p == '-';
  uint64_t value = 0;
  int digits = 0;
  p += negative;
  if (*p < '1' || *p > '9') return 0;
  for (; digits < MAX_INT32_DIGITS && (uint8_t)(*p - '0') <= 9; digits++) {
    value = value * 10 + (uint8_t)(*p++ - '0');
  }
  if (*p != '\t' || value > (uint64_t)INT32_MAX + negative) return 0;
  *out = (int32_t)(negative ? 0 - (uint32_t)value : (uint32_t)value);
  return p + 1;
}

/* Parses a non-empty integer cell; returns the byte after its tab, or 0. */
INLINE const uint8_t *integer(const uint8_t *p, int32_t *out) {
  uint64_t word = load(p);
  const uint64_t tabs = word ^ EACH('\t');
  const uint64_t zero_bytes = (tabs - EACH(1)) & ~tabs & EACH(0x80);
  if (!zero_bytes) return long_integer(p, out);
  unsigned bits = (unsigned)__builtin_ctzll(zero_bytes) & ~7u; /* 8 for each byte of the cell */
  const uint8_t *const next = p + bits / 8 + 1;
  const int negative = (uint8_t)word == '-';
  if (negative) {
    word >>= 8;
    bits -= 8;
    if (!bits) return 0;
  }
  if ((uint8_t)word == '0' && (bits > 8 || negative)) return 0; /* 007, -0 */
  /* The digits go to the top; what is below them stays 0, as if the number had leading zeros. */
  const uint64_t mask = ~(uint64_t)0 << (64 - bits);
  uint64_t digits = (word << (64 - bits)) ^ (EACH('0') & mask);
  if ((digits | (digits + (EACH(6) & mask))) & EACH(0xF0)) return 0; /* a byte above 9 */
  digits = digits * 10 + (digits >> 8);
  const uint64_t low = (digits & 0x000000FF000000FF) * 0x000F424000000064;
  const uint64_t high = ((digits >> 16) & 0x000000FF000000FF) * 0x0000271000000001;
  const int32_t value = (int32_t)((low + high) >> 32);
  *out = negative ? -value : value;
  return next;
}

/* Decodes words of 8 hex digits each; returns 0 if all of them are lower-case hex digits. */
INLINE uint64_t hex(const uint64_t *words, uint32_t *values) {
  uint64_t flaws = 0;
  for (int i = 0; i < HEX_LANES; i++) {
    const uint64_t word = words[i], letter = (word >> 6) & EACH(1);
    const uint64_t low = word & EACH(0x0F), nibble = low + letter * 9;
    flaws |= word ^ (low + EACH('0') + letter * 0x30);         /* not 0x30-0x3f, 0x60-0x6f */
    flaws |= (((nibble + EACH(6)) >> 4) & EACH(1)) ^ letter;   /* ":" .. "?", "`" */
    flaws |= nibble & EACH(0x10);                              /* "g" .. "o" */
    uint64_t value = ((nibble << 4) | (nibble >> 8)) & 0x00FF00FF00FF00FF;
    value = ((value << 8) | (value >> 16)) & 0x0000FFFF0000FFFF;
    values[i] = (uint32_t)((value << 16) | (value >> 32));
  }
  return flaws;
}

/* Parses one line into row 0 of the arrays; returns the byte after its newline, or 0. */
INLINE const uint8_t *line(const uint8_t *p, uint8_t *label, int32_t *dense,
                                  uint32_t *sparse, uint8_t *missing) {
  uint64_t words[HEX_LANES];
  uint32_t values[HEX_LANES];
  if ((p[0] & 0xFE) != '0' || p[1] != '\t') return 0;
  *label = p[0] & 1;
  p += 2;
  for (int i = 0; i < NUM_DENSE; i++) {
    missing[i] = *p == '\t';
    if (missing[i]) {
      dense[i] = 0;
      p++;
    } else if (!(p = integer(p, dense + i))) {
      return 0;
    }
  }
  for (int i = 0; i < NUM_SPARSE; i++) {
    const uint8_t separator = i == NUM_SPARSE - 1 ? '\n' : '\t';
    const uint64_t word = load(p);
    missing[NUM_DENSE + i] = (uint8_t)word == separator;
    if (missing[NUM_DENSE + i]) {
      words[i] = EACH('0');
      p++;
    } else {
      /* A newline among the digits, maybe the end of the text, is passed here and found by hex(). */
      if (p[8] != separator) return 0;
      words[i] = word;
      p += 9;
    }
  }
  for (int i = NUM_SPARSE; i < HEX_LANES; i++) words[i] = EACH('0');
  if (hex(words, values)) return 0;
  __builtin_memcpy(sparse, values, NUM_SPARSE * sizeof *sparse);
  return p;
}

/* Parses lines until the text, the space for rows or the space for bad lines is used up.
 *
 * The text ends with a newline, and 256 more bytes can be read after it: line() may pass it by as
 * much as 26 categories have. `bad` gets the number of
 * each malformed line, from 0, and its first byte and the byte after its newline, as offsets into
 * the text. `used` gets the bytes, the rows, the lines and the bad lines.
 */
INLINE void parse(const uint8_t *text, int64_t size, int64_t max_rows, int64_t max_bad,
                  uint8_t *label, int32_t *dense, uint32_t *sparse, uint8_t *missing, int64_t *bad,
                  int64_t *used) {
  const uint8_t *p = text, *const end = text + size;
  int64_t rows = 0, bads = 0;
  while (p < end && rows < max_rows && bads < max_bad) {
    const uint8_t *next = line(p, label + rows, dense + rows * NUM_DENSE,
                               sparse + rows * NUM_SPARSE, missing + rows * NUM_FIELDS);
    if (next) {
      rows++;
    } else {
      for (next = p; *next != '\n'; next++) {
      }
      next++;
      bad[3 * bads] = rows + bads;
      bad[3 * bads + 1] = p - text;
      bad[3 * bads + 2] = next - text;
      bads++;
    }
    p = next;
  }
  used[0] = p - text;
  used[1] = rows;
  used[2] = rows + bads;
  used[3] = bads;
}

void criteo_parse(const uint8_t *text, int64_t size, int64_t max_rows, int64_t max_bad,
                  uint8_t *label, int32_t *dense, uint32_t *sparse, uint8_t *missing, int64_t *bad,
                  int64_t *used) {
  parse(text, size, max_rows, max_bad, label, dense, sparse, missing, bad, used);
}

/* An eighth faster. */
__attribute__((target("avx2,bmi,bmi2"))) void criteo_parse_avx2(
    const uint8_t *text, int64_t size, int64_t max_rows, int64_t max_bad, uint8_t *label,
    int32_t *dense, uint32_t *sparse, uint8_t *missing, int64_t *bad, int64_t *used) {
  parse(text, size, max_rows, max_bad, label, dense, sparse, missing, bad, used);
}

static inline uint8_t *format_integer(int32_t value, uint8_t *out) {
  uint8_t digits[MAX_INT32_DIGITS];
  uint32_t rest = value < 0 ? 0 - (uint32_t)value : (uint32_t)value;
  int count = 0;
  if (value < 0) *out++ = '-';
  do {
    digits[count++] = (uint8_t)('0' + rest % 10);
    rest /= 10;
  } while (rest);
  while (count) *out++ = digits[--count];
  return out;
}

/* Eight hex digits of a value, the highest first. */
static inline uint64_t hex_digits(uint32_t value) {
  uint64_t word = ((uint64_t)(value & 0xFFFF) << 32) | (value >> 16);
  word = ((word & 0x000000FF000000FF) << 16) | ((word >> 8) & 0x000000FF000000FF);
  word = ((word & 0x000F000F000F000F) << 8) | ((word >> 4) & 0x000F000F000F000F);
  const uint64_t letter = ((word + EACH(6)) >> 4) & EACH(1);
  return word + EACH('0') + letter * ('a' - '9' - 1);
}

/* Writes the lines of rows; returns their bytes. 392 bytes a row and 8 more are enough space. */
int64_t criteo_format(int64_t rows, const uint8_t *label, const int32_t *dense,
                      const uint32_t *sparse, const uint8_t *missing, uint8_t *out) {
  uint8_t *p = out;
  for (int64_t row = 0; row < rows; row++) {
    *p++ = (uint8_t)('0' + label[row]);
    for (int i = 0; i < NUM_DENSE; i++) {
      *p++ = '\t';
      if (!missing[i]) p = format_integer((int32_t)load32(dense + i), p);
    }
    for (int i = 0; i < NUM_SPARSE; i++) {
      *p++ = '\t';
      if (!missing[NUM_DENSE + i]) {
        const uint64_t digits = hex_digits(load32(sparse + i));
        __builtin_memcpy(p, &digits, sizeof digits);
        p += sizeof digits;
      }
    }
    *p++ = '\n';
    dense += NUM_DENSE;
    sparse += NUM_SPARSE;
    missing += NUM_FIELDS;
  }
  return p - out;
}

/* CRC32C (Castagnoli) of bytes that follow those of `crc`; 0 where none came before. */
uint32_t criteo_crc32c(uint32_t crc, const uint8_t *p, int64_t size) {
  uint64_t state = ~crc;
  for (; size >= 8; size -= 8, p += 8) state = __builtin_ia32_crc32di(state, load(p));
  for (; size; size--) state = __builtin_ia32_crc32qi((uint32_t)state, *p++);
  return ~(uint32_t)state;
}

/* uint8 [rows, 39] of 0 and 1 to bits, 5 bytes a row. */
static void pack(int64_t rows, const uint8_t *flags, uint8_t *bits) {
  for (int64_t row = 0; row < rows; row++, flags += NUM_FIELDS, bits += MISSING_BYTES) {
    for (int i = 0; i < MISSING_BYTES - 1; i++) {
      /* The factor brings the lowest bit of byte k to bit 56 + k. */
      bits[i] = (uint8_t)((load(flags + 8 * i) * 0x0102040810204080) >> 56);
    }
    uint8_t last = 0;
    for (int i = 8 * (MISSING_BYTES - 1); i < NUM_FIELDS; i++) last |= (uint8_t)(flags[i] << (i % 8));
    bits[MISSING_BYTES - 1] = last;
  }
}

static inline uint8_t *copy(uint8_t *out, const void *from, int64_t size) {
  __builtin_memcpy(out, from, (uint64_t)size);
  return out + size;
}

/* TFRecord's checksum of some bytes. */
static inline uint8_t *masked_crc(uint8_t *out, const uint8_t *from, int64_t size) {
  const uint32_t crc = criteo_crc32c(0, from, size);
  const uint32_t masked = ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
  return copy(out, &masked, sizeof masked);
}

/* Writes rows as a TFRecord; returns its bytes. Before each of the fields dense, label, missing and
 * sparse come bytes of the message, which stand one after the other in `prefixes`. */
int64_t criteo_record(int64_t rows, const uint8_t *label, const int32_t *dense,
                      const uint32_t *sparse, const uint8_t *missing, const uint8_t *prefixes,
                      const int64_t *prefix_sizes, uint8_t *out) {
  uint8_t *const message = out + 12, *p = message;
  const void *const fields[] = {dense, label, 0, sparse};
  const int64_t sizes[] = {rows * NUM_DENSE * 4, rows, rows * MISSING_BYTES, rows * NUM_SPARSE * 4};
  for (int i = 0; i < 4; i++) {
    p = copy(p, prefixes, prefix_sizes[i]);
    prefixes += prefix_sizes[i];
    if (fields[i]) {
      copy(p, fields[i], sizes[i]);
    } else {
      pack(rows, missing, p);
    }
    p += sizes[i];
  }
  const uint64_t size = (uint64_t)(p - message);
  copy(out, &size, sizeof size);
  masked_crc(out + 8, out, 8);
  return masked_crc(p, message, (int64_t)size) - out;
}

/* Bits, 5 bytes a row, to uint8 [rows, 39] of 0 and 1. */
void criteo_unpack(int64_t rows, const uint8_t *bits, uint8_t *flags) {
  for (int64_t row = 0; row < rows; row++, bits += MISSING_BYTES, flags += NUM_FIELDS) {
    for (int i = 0; i < NUM_FIELDS; i++) flags[i] = (bits[i / 8] >> (i % 8)) & 1;
  }
}

/* Copies the rows whose numbers are given, as training wants them. */
void criteo_gather(int64_t rows, const int64_t *index, const uint8_t *label, const int32_t *dense,
                   const uint32_t *sparse, const uint8_t *missing, float *label_out,
                   int32_t *dense_out, int64_t *sparse_out, uint8_t *missing_out) {
  for (int64_t row = 0; row < rows; row++) {
    const int64_t from = index[row];
    label_out[row] = label[from];
    __builtin_memcpy(dense_out, dense + from * NUM_DENSE, NUM_DENSE * sizeof *dense);
    for (int i = 0; i < NUM_SPARSE; i++) sparse_out[i] = load32(sparse + from * NUM_SPARSE + i);
    __builtin_memcpy(missing_out, missing + from * NUM_FIELDS, NUM_FIELDS);
    dense_out += NUM_DENSE;
    sparse_out += NUM_SPARSE;
    missing_out += NUM_FIELDS;
  }
}
