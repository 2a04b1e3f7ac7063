/* Table rows of the cells of a batch, each distinct one once. Called through distinct_ids.py.
 *
 * The ids are those of feature_transform.py, to which a test holds them equal. No allocation, no
 * libc, no state: any number of threads may call it, on any x86-64 Linux with SSE 4.2.
 */
#include <stdint.h>

enum { NUM_DENSE = 13, NUM_SPARSE = 26, NUM_FIELDS = NUM_DENSE + NUM_SPARSE };

/* What distinct_ids.py passes; the same layout as its ctypes.Structure. */
typedef struct {
  int64_t table_rows;
  int64_t missing_integer;  /* token */
  int64_t missing_category; /* token */
  int64_t missing_value;    /* category that counts as missing */
  int64_t last_own;         /* integers up to this one are their own token */
  const int32_t *thresholds; /* ascending; the number of those <= v is v's bucket */
  int64_t num_thresholds;
  const int32_t *small_buckets; /* bucket of 0 .. num_small - 1 */
  int64_t num_small;
} transform_t;

static inline int64_t integer_token(const transform_t *t, int32_t value) {
  if (value <= t->last_own) return value;
  if (value < t->num_small) return t->last_own + t->small_buckets[value];
  int64_t low = 0, high = t->num_thresholds;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (t->thresholds[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return t->last_own + low;
}

/* SplitMix64's finalizer, as in feature_transform._hash. */
static inline uint64_t mix(uint64_t bits) {
  bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9u;
  bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EBu;
  return bits ^ (bits >> 31);
}

static inline uint64_t row_of(uint64_t rows, uint64_t bits) {
  const uint64_t half = bits >> 1;
  return rows & (rows - 1) ? half % rows : half & (rows - 1);
}

/* Writes the position of each cell's id among the distinct ones, in order of first occurrence.
 *
 * slots: int32 [2 ** slot_bits], zero, more than there are cells: 1 + position, or 0 where free.
 * Returns the number of distinct ids.
 */
int64_t distinct_ids(int64_t n, const int32_t *dense, const int64_t *sparse, const uint8_t *missing,
                     const transform_t *t, int64_t slot_bits, int32_t *slots, int64_t *ids,
                     int32_t *positions) {
  const uint64_t mask = ((uint64_t)1 << slot_bits) - 1;
  int64_t count = 0;
  for (int64_t row = 0; row < n; row++) {
    uint64_t cell_ids[NUM_FIELDS], homes[NUM_FIELDS];
    for (int field = 0; field < NUM_FIELDS; field++) {
      int64_t token;
      if (field < NUM_DENSE) {
        token = missing[field] ? t->missing_integer : integer_token(t, dense[field]);
      } else {
        token = sparse[field - NUM_DENSE];
        if (missing[field] || token == t->missing_value) token = t->missing_category;
      }
      const uint64_t bits = mix((uint64_t)token + (uint64_t)(field + 1) * 0x9E3779B97F4A7C15u);
      cell_ids[field] = row_of((uint64_t)t->table_rows, bits);
      homes[field] = (cell_ids[field] * 0x9E3779B97F4A7C15u) >> (64 - slot_bits);
      __builtin_prefetch(slots + homes[field]);
    }
    for (int field = 0; field < NUM_FIELDS; field++) {
      uint64_t slot = homes[field];
      while (slots[slot] && (uint64_t)ids[slots[slot] - 1] != cell_ids[field])
        slot = (slot + 1) & mask;
      if (!slots[slot]) {
        ids[count++] = (int64_t)cell_ids[field];
        slots[slot] = (int32_t)count;
      }
      positions[field] = slots[slot] - 1;
    }
    dense += NUM_DENSE;
    sparse += NUM_SPARSE;
    missing += NUM_FIELDS;
    positions += NUM_FIELDS;
  }
  return count;
}
