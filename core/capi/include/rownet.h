/*
 * rownet: int8 networks row by row, for any network of `host import`. Link with libcxr.a (docs/linking.md).
 *
 * No call allocates; every object lies in memory of the caller:
 *
 *   static rownet_model model;
 *   static rownet_session session;
 *   static int8_t arena[ARENA_BYTES];      (`arena_bytes` of rownet_model_info, as `host inspect` says: a constant of the network)
 *
 *   if (rownet_model_parse(&model, file, file_len, NULL) != ROWNET_OK) ...
 *   if (rownet_session_init(&session, &model, arena, sizeof arena) != ROWNET_OK) ...
 *   for (int32_t y; (y = rownet_next_row(&session)) >= 0;)
 *     if (rownet_push_row_u8(&session, camera_row(y), row_len) != ROWNET_OK) ...
 *   rownet_output output;
 *   if (rownet_get_output(&session, 0, &output) != ROWNET_OK) ...      (`output.data` lies in the arena)
 *   rownet_reset(&session);                                            (for the next input)
 *
 * One session belongs to one thread of execution at a time; different sessions are independent.
 */


#ifndef ROWNET_H
#define ROWNET_H

/* Generated from core/capi/src/network by `cargo xtask header`: change that instead. */

#include <stddef.h>
#include <stdint.h>

#if UINTPTR_MAX <= 0xFFFFFFFFu
#define ROWNET_MODEL_BYTES ROWNET_MODEL_BYTES_32
#define ROWNET_SESSION_BYTES ROWNET_SESSION_BYTES_32
#else
#define ROWNET_MODEL_BYTES ROWNET_MODEL_BYTES_64
#define ROWNET_SESSION_BYTES ROWNET_SESSION_BYTES_64
#endif
#define ROWNET_MODEL_WORDS (ROWNET_MODEL_BYTES / 8)
#define ROWNET_SESSION_WORDS (ROWNET_SESSION_BYTES / 8)

/**
 * Version of this interface: it grows when a call, a field or a number changes its meaning or its place. A library refuses headers of
 * another version.
 */
#define ROWNET_ABI_VERSION 1

/**
 * Bytes of a `rownet_model` where pointers have 32 bits.
 */
#define ROWNET_MODEL_BYTES_32 48

/**
 * Bytes of a `rownet_model` where pointers have 64 bits.
 */
#define ROWNET_MODEL_BYTES_64 88

/**
 * Bytes of a `rownet_session` where pointers have 32 bits.
 */
#define ROWNET_SESSION_BYTES_32 152

/**
 * Bytes of a `rownet_session` where pointers have 64 bits.
 */
#define ROWNET_SESSION_BYTES_64 256

/**
 * What a call returns: `ROWNET_OK`, or an error, which is negative.
 */
enum rownet_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Done.
   */
  ROWNET_OK = 0,
  /**
   * A pointer is null or misaligned.
   */
  ROWNET_ERROR_POINTER = -1,
  /**
   * The object was never initialised.
   */
  ROWNET_ERROR_UNINITIALISED = -2,
  /**
   * The network file is shorter or longer than it says.
   */
  ROWNET_ERROR_LENGTH = -3,
  /**
   * The network file does not start with `RNET`.
   */
  ROWNET_ERROR_BAD_MAGIC = -4,
  /**
   * The network file has a version that this library does not read.
   */
  ROWNET_ERROR_VERSION = -5,
  /**
   * The network file's checksum is wrong.
   */
  ROWNET_ERROR_CHECKSUM = -6,
  /**
   * A field, a value, an operator or the plan of the network file is not what a valid file has.
   */
  ROWNET_ERROR_FIELD = -7,
  /**
   * A buffer is too small.
   */
  ROWNET_ERROR_BUFFER = -8,
  /**
   * A row has the wrong number of elements.
   */
  ROWNET_ERROR_ROW_LENGTH = -9,
  /**
   * More rows were pushed than the input has.
   */
  ROWNET_ERROR_TOO_MANY_ROWS = -10,
  /**
   * The input is not complete.
   */
  ROWNET_ERROR_MISSING_ROWS = -11,
  /**
   * The network has no such output.
   */
  ROWNET_ERROR_OUTPUT = -12,
  /**
   * An error that this interface has no name for.
   */
  ROWNET_ERROR_OTHER = -13,
  /**
   * The program was compiled with the header of another version than the library's.
   */
  ROWNET_ERROR_ABI = -14,
  /**
   * A fault of the library: there is no result.
   */
  ROWNET_ERROR_INTERNAL = -15,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rownet_status rownet_status;
#else
typedef int32_t rownet_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How a value's elements are meant.
 */
enum rownet_element
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * int8: `real = scale * (q - zero_point)`.
   */
  ROWNET_ELEMENT_I8 = 0,
  /**
   * uint8 outside, int8 in memory: `u = q + 128`, so that `real = scale * (u - 128 - zero_point)`.
   */
  ROWNET_ELEMENT_U8 = 1,
  /**
   * float outside, int8 in memory, as `ROWNET_ELEMENT_I8`.
   */
  ROWNET_ELEMENT_QUANTIZED_F32 = 2,
  /**
   * float in memory, four bytes each, little-endian, of any alignment: only of outputs.
   */
  ROWNET_ELEMENT_F32 = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rownet_element rownet_element;
#else
typedef int32_t rownet_element;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * A checked network file. Zero it or declare it `static`; the file's bytes must outlive it.
 */
typedef struct rownet_model {
  /**
   * Not for the caller.
   */
  uint64_t opaque[ROWNET_MODEL_WORDS];
} rownet_model;

/**
 * Where a network file is wrong.
 */
typedef struct rownet_error {
  /**
   * What the call returned.
   */
  rownet_status status;
  /**
   * Of `ROWNET_ERROR_FIELD`: bytes from the start of the file, or the number of the value or operator that `field` is of.
   */
  uint32_t at;
  /**
   * What should be there: bytes (`ROWNET_ERROR_LENGTH`), the stored checksum (`ROWNET_ERROR_CHECKSUM`), else 0.
   */
  uint32_t expected;
  /**
   * What is there: bytes, the version (`ROWNET_ERROR_VERSION`), the computed checksum, else 0.
   */
  uint32_t found;
  /**
   * What is wrong (`ROWNET_ERROR_FIELD`), not terminated: print it with `"%.*s", (int)field_len, field`.
   */
  const char *field;
  /**
   * Bytes of `field`.
   */
  uint32_t field_len;
} rownet_error;

/**
 * Numbers of a network.
 */
typedef struct rownet_info {
  /**
   * Exact length of the arena that `rownet_session_init` needs.
   */
  uint32_t arena_bytes;
  /**
   * Rows of the input.
   */
  uint32_t height;
  /**
   * Columns of the input.
   */
  uint32_t width;
  /**
   * Channels of the input: a row is `width * channels` elements, channels interleaved.
   */
  uint32_t channels;
  /**
   * How often all rows of the input are asked for; 1, unless the network was planned for less memory than one pass takes.
   */
  uint32_t passes;
  /**
   * Number of outputs.
   */
  uint32_t output_count;
  /**
   * What the input's values are.
   */
  rownet_element element;
  /**
   * What stands for 0 in the input.
   */
  int32_t zero_point;
  /**
   * `real = scale * (q - zero_point)`.
   */
  float scale;
} rownet_info;

/**
 * One inference in progress. Zero it or declare it `static`; the arena is the caller's too.
 */
typedef struct rownet_session {
  /**
   * Not for the caller.
   */
  uint64_t opaque[ROWNET_SESSION_WORDS];
} rownet_session;

/**
 * An output of a finished inference: where it lies in the arena, and what it means. It is there until the session's next row or reset.
 */
typedef struct rownet_output {
  /**
   * `[height][width][channels]`, of the element's size in memory; null where a call failed.
   */
  const int8_t *data;
  /**
   * Bytes of `data`.
   */
  uint32_t len;
  /**
   * Rows.
   */
  uint32_t height;
  /**
   * Columns.
   */
  uint32_t width;
  /**
   * Channels.
   */
  uint32_t channels;
  /**
   * What the values are.
   */
  rownet_element element;
  /**
   * What stands for 0.
   */
  int32_t zero_point;
  /**
   * `real = scale * (q - zero_point)`; not for `ROWNET_ELEMENT_F32`.
   */
  float scale;
} rownet_output;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Checks a network file of `len` bytes and remembers where it is; nothing is copied. `error` says what is wrong, if it is not null.
 * `abi` is the header's `ROWNET_ABI_VERSION`, the sizes are those of `*model` and `*error`.
 *
 * # Safety
 * `model` and `error` are null or writable for their sizes; `file` is readable for `len` bytes and stays so, unchanged, as long as the
 * network or a session made from it is used.
 */
rownet_status rownet_model_parse_sized(uint32_t abi,
                                       struct rownet_model *model,
                                       size_t model_size,
                                       const uint8_t *file,
                                       size_t len,
                                       struct rownet_error *error,
                                       size_t error_size);

/**
 * Writes the network's numbers into `info`, whose size is `info_size`.
 *
 * # Safety
 * `model` is null, zeroed or parsed; `info` is null or writable for `info_size` bytes.
 */
rownet_status rownet_model_info_sized(const struct rownet_model *model, struct rownet_info *info, size_t info_size);

/**
 * Copies label `index` (UTF-8) into `label`, cut to fit and always terminated, and returns the bytes of the whole label without its
 * terminator: 0 if there is none.
 *
 * # Safety
 * `model` is null, zeroed or parsed; `label` is null or writable for `capacity` bytes.
 */
uint32_t rownet_label(const struct rownet_model *model,
                      uint32_t index,
                      char *label,
                      size_t capacity);

/**
 * Starts an inference in an arena of at least `arena_bytes` (see `rownet_model_info`) bytes, of any alignment. `session_size` is
 * `sizeof *session`.
 *
 * # Safety
 * `session` is null or writable for `session_size` bytes; `model` is null, zeroed or parsed; `arena` is null or writable for `arena_len`
 * bytes, and from now on, until the session is initialised anew or given up, the session's alone. The network's file outlives the session.
 */
rownet_status rownet_session_init_sized(struct rownet_session *session,
                                        size_t session_size,
                                        const struct rownet_model *model,
                                        int8_t *arena,
                                        size_t arena_len);

/**
 * Takes the next row of the input: `width * channels` int8 values, channels interleaved. On an error nothing is taken.
 *
 * # Safety
 * `session` is null, zeroed or initialised; `row` is null or readable for `len` bytes, and no part of the arena.
 */
rownet_status rownet_push_row(struct rownet_session *session, const int8_t *row, size_t len);

/**
 * Takes the next row of the input in uint8 values, such as a camera's: 128 is the int8 value 0. On an error nothing is taken.
 *
 * # Safety
 * As [`rownet_push_row`].
 */
rownet_status rownet_push_row_u8(struct rownet_session *session,
                                 const uint8_t *row,
                                 size_t len);

/**
 * Number of the row that the session takes next: 0 up to the input's height less 1, and that as often as `passes` of `rownet_model_info`
 * says. -1 once all rows were given, and where there is no session.
 *
 * # Safety
 * `session` is null, zeroed or initialised.
 */
int32_t rownet_next_row(struct rownet_session *session);

/**
 * Forgets the rows pushed so far: for the next input, or after one that was cut short.
 *
 * # Safety
 * `session` is null, zeroed or initialised.
 */
rownet_status rownet_reset(struct rownet_session *session);

/**
 * Output `index`, once all rows are there. `output_size` is `sizeof *output`.
 *
 * # Safety
 * `session` is null, zeroed or initialised; `output` is null or writable for `output_size` bytes.
 */
rownet_status rownet_output_sized(struct rownet_session *session,
                                  uint32_t index,
                                  struct rownet_output *output,
                                  size_t output_size);

/**
 * A sentence about a status, terminated and never null, whatever the number.
 */
const char *rownet_status_text(int32_t status);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Checks a network file of `len` bytes and remembers where it is; nothing is copied. `error` says what is wrong, if it is not null.
 */
static inline rownet_status rownet_model_parse(rownet_model *model, const uint8_t *file, size_t len, rownet_error *error) {
  return rownet_model_parse_sized(ROWNET_ABI_VERSION, model, sizeof *model, file, len, error, sizeof *error);
}

/**
 * Writes the network's numbers into `info`.
 */
static inline rownet_status rownet_model_info(const rownet_model *model, rownet_info *info) {
  return rownet_model_info_sized(model, info, sizeof *info);
}

/**
 * Starts an inference in an arena of at least `arena_bytes` (see `rownet_model_info`) bytes, of any alignment.
 */
static inline rownet_status rownet_session_init(rownet_session *session, const rownet_model *model, int8_t *arena,
                                                size_t arena_len) {
  return rownet_session_init_sized(session, sizeof *session, model, arena, arena_len);
}

/**
 * Output `index`, once all rows are there.
 */
static inline rownet_status rownet_get_output(rownet_session *session, uint32_t index, rownet_output *output) {
  return rownet_output_sized(session, index, output, sizeof *output);
}

#ifdef __cplusplus
}
#endif

#endif  /* ROWNET_H */
