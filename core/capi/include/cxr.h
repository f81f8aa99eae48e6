/*
 * cxr: streaming int8 inference for chest X-rays. Link with libcxr.a (docs/linking.md).
 *
 * Research software, not a medical device: not for diagnosis, triage or treatment.
 *
 * No call allocates; every object lies in memory of the caller:
 *
 *   static cxr_model model;
 *   static cxr_session session;
 *   static int8_t arena[ARENA_BYTES];      (`arena_bytes` of cxr_model_info: a constant of the model)
 *
 *   if (cxr_model_parse(&model, file, file_len, NULL) != CXR_OK) ...
 *   if (cxr_session_init(&session, &model, arena, sizeof arena) != CXR_OK) ...
 *   for each of 256 rows: if (cxr_push_gray_row(&session, row, 256) != CXR_OK) ...
 *   cxr_verdict verdict;
 *   switch (cxr_finish(&session, &verdict)) {
 *   case CXR_OK:       verdict.class_index is the class
 *   case CXR_REFUSED:  verdict.refusal says why there is none
 *   default:           the image was not complete
 *   }
 *
 * One session belongs to one thread of execution at a time; different sessions are independent.
 */


#ifndef CXR_H
#define CXR_H

/* Generated from core/capi/src by `cargo xtask header`: change that instead. */

#include <stddef.h>
#include <stdint.h>

#if UINTPTR_MAX <= 0xFFFFFFFFu
#define CXR_MODEL_BYTES CXR_MODEL_BYTES_32
#define CXR_SESSION_BYTES CXR_SESSION_BYTES_32
#define CXR_RESIZER_BYTES CXR_RESIZER_BYTES_32
#else
#define CXR_MODEL_BYTES CXR_MODEL_BYTES_64
#define CXR_SESSION_BYTES CXR_SESSION_BYTES_64
#define CXR_RESIZER_BYTES CXR_RESIZER_BYTES_64
#endif
#define CXR_MODEL_WORDS (CXR_MODEL_BYTES / 8)
#define CXR_SESSION_WORDS (CXR_SESSION_BYTES / 8)
#define CXR_RESIZER_WORDS (CXR_RESIZER_BYTES / 8)

/**
 * Version of this interface: it grows when a call, a field or a number changes its meaning or its place. A library refuses headers of
 * another version.
 */
#define CXR_ABI_VERSION 1

/**
 * Bytes of a `cxr_model` where pointers have 32 bits.
 */
#define CXR_MODEL_BYTES_32 24

/**
 * Bytes of a `cxr_model` where pointers have 64 bits.
 */
#define CXR_MODEL_BYTES_64 48

/**
 * Bytes of a `cxr_resizer` where pointers have 32 bits.
 */
#define CXR_RESIZER_BYTES_32 80

/**
 * Bytes of a `cxr_resizer` where pointers have 64 bits.
 */
#define CXR_RESIZER_BYTES_64 112

/**
 * Bytes of a `cxr_session` where pointers have 32 bits.
 */
#define CXR_SESSION_BYTES_32 576

/**
 * Bytes of a `cxr_session` where pointers have 64 bits.
 */
#define CXR_SESSION_BYTES_64 848

/**
 * Most classes of a model.
 */
#define CXR_MAX_CLASSES 8

/**
 * What a call returns: `CXR_OK`, `CXR_REFUSED` (from `cxr_finish` alone), or an error, which is negative.
 */
enum cxr_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Done.
   */
  CXR_OK = 0,
  /**
   * The image was processed and the model gives no verdict on it: say so, and name no class.
   */
  CXR_REFUSED = 1,
  /**
   * A pointer is null or misaligned.
   */
  CXR_ERROR_POINTER = -1,
  /**
   * The object was never initialised.
   */
  CXR_ERROR_UNINITIALISED = -2,
  /**
   * The model file ends before a structure that it should hold.
   */
  CXR_ERROR_TRUNCATED = -3,
  /**
   * The model file does not start with `CXRM`.
   */
  CXR_ERROR_BAD_MAGIC = -4,
  /**
   * The model file has a version that this library does not read.
   */
  CXR_ERROR_VERSION = -5,
  /**
   * The model file's checksum is wrong.
   */
  CXR_ERROR_CHECKSUM = -6,
  /**
   * A field of the model file holds a value that no valid file has.
   */
  CXR_ERROR_FIELD = -7,
  /**
   * A buffer is too small.
   */
  CXR_ERROR_BUFFER = -8,
  /**
   * A row has the wrong number of elements.
   */
  CXR_ERROR_ROW_LENGTH = -9,
  /**
   * More rows were pushed than the image has.
   */
  CXR_ERROR_TOO_MANY_ROWS = -10,
  /**
   * The image is not complete.
   */
  CXR_ERROR_MISSING_ROWS = -11,
  /**
   * An image extent is zero, too large, or not the model's.
   */
  CXR_ERROR_IMAGE_SIZE = -12,
  /**
   * The window's upper level is not above its lower level, or out of range.
   */
  CXR_ERROR_WINDOW = -13,
  /**
   * An error that this interface has no name for.
   */
  CXR_ERROR_OTHER = -14,
  /**
   * Rows of the image were pushed already.
   */
  CXR_ERROR_STARTED = -15,
  /**
   * The program was compiled with the header of another version than the library's.
   */
  CXR_ERROR_ABI = -16,
  /**
   * A fault of the library: there is no verdict.
   */
  CXR_ERROR_INTERNAL = -17,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum cxr_status cxr_status;
#else
typedef int32_t cxr_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Why a verdict is withheld.
 */
enum cxr_refusal
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * It is not: `class_index` is the verdict.
   */
  CXR_REFUSAL_NONE = 0,
  /**
   * The largest calibrated probability is below the model's threshold.
   */
  CXR_REFUSAL_LOW_CONFIDENCE = 1,
  /**
   * The picture is unlike the frontal chest X-rays that the model was trained on.
   */
  CXR_REFUSAL_OUT_OF_DISTRIBUTION = 2,
  /**
   * A reason that this interface has no name for.
   */
  CXR_REFUSAL_OTHER = 3,
  /**
   * The call failed: there is nothing in this verdict.
   */
  CXR_REFUSAL_NO_VERDICT = 4,
  /**
   * The likeliest class is one that pictures from places that the model does not know are given too often, and the picture is less like
   * those that it knows than this class takes. Libraries of before know no such reason.
   */
  CXR_REFUSAL_DOUBTFUL_CLASS = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum cxr_refusal cxr_refusal;
#else
typedef int32_t cxr_refusal;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * A checked model file. Zero it or declare it `static`; the file's bytes must outlive it.
 */
typedef struct cxr_model {
  /**
   * Not for the caller.
   */
  uint64_t opaque[CXR_MODEL_WORDS];
} cxr_model;

/**
 * Where a model file is wrong.
 */
typedef struct cxr_error {
  /**
   * What the call returned.
   */
  cxr_status status;
  /**
   * Bytes from the start of the file; 0 where the status needs none.
   */
  uint32_t offset;
  /**
   * What should be there: bytes needed (`CXR_ERROR_TRUNCATED`), the stored checksum (`CXR_ERROR_CHECKSUM`), else 0.
   */
  uint32_t expected;
  /**
   * What is there: the version (`CXR_ERROR_VERSION`), the computed checksum (`CXR_ERROR_CHECKSUM`), else 0.
   */
  uint32_t found;
  /**
   * Name of the field (`CXR_ERROR_FIELD`), not terminated: print it with `"%.*s", (int)field_len, field`.
   */
  const char *field;
  /**
   * Bytes of `field`.
   */
  uint32_t field_len;
} cxr_error;

/**
 * Numbers of a model.
 */
typedef struct cxr_info {
  /**
   * Exact length of the arena that `cxr_session_init` needs.
   */
  uint32_t arena_bytes;
  /**
   * Elements of the maps of all classes that `cxr_explain` needs.
   */
  uint32_t map_len;
  /**
   * Rows of an image.
   */
  uint32_t height;
  /**
   * Columns of an image: bytes of a row for `cxr_push_gray_row`.
   */
  uint32_t width;
  /**
   * Channels of an image: `width * channels` is the bytes of a row for `cxr_push_row`.
   */
  uint32_t channels;
  /**
   * Number of classes, at most `CXR_MAX_CLASSES`.
   */
  uint32_t class_count;
  /**
   * Rows of a class's map.
   */
  uint32_t map_height;
  /**
   * Columns of a class's map.
   */
  uint32_t map_width;
  /**
   * 32-bit words of memory that `cxr_resizer_init` needs.
   */
  uint32_t resizer_words;
} cxr_info;

/**
 * Resizes an image while its rows arrive. Zero it or declare it `static`; its memory for rows is the caller's too.
 */
typedef struct cxr_resizer {
  /**
   * Not for the caller.
   */
  uint64_t opaque[CXR_RESIZER_WORDS];
} cxr_resizer;

/**
 * One inference in progress. Zero it or declare it `static`; the arena is the caller's too.
 */
typedef struct cxr_session {
  /**
   * Not for the caller.
   */
  uint64_t opaque[CXR_SESSION_WORDS];
} cxr_session;

/**
 * An image to be resized. Stored values become gray: `low` and below is black, `high` and above is white, linear between.
 */
typedef struct cxr_image {
  /**
   * Columns, 1 to 8192.
   */
  uint32_t width;
  /**
   * Rows, 1 to 8192.
   */
  uint32_t height;
  /**
   * Level shown black: 0 for whole-range images.
   */
  uint16_t low;
  /**
   * Level shown white, above `low`: 255 or 65535 for whole-range images.
   */
  uint16_t high;
  /**
   * Not 0: swap black and white (DICOM MONOCHROME1).
   */
  uint32_t invert;
} cxr_image;

/**
 * What a class was given.
 */
typedef struct cxr_score {
  /**
   * Accumulator of the last layer, bias included: the class's map sums to it less the bias.
   */
  int32_t accumulator;
  /**
   * `(float)accumulator * scale`.
   */
  float logit;
  /**
   * Calibrated probability; those of all classes sum to 1.
   */
  float probability;
} cxr_score;

/**
 * The result for one image. `class_index` is -1 unless `cxr_finish` returned `CXR_OK`, so that a refusal cannot be read as a class.
 */
typedef struct cxr_verdict {
  /**
   * Index of the class, or -1: no verdict.
   */
  int32_t class_index;
  /**
   * Why there is none.
   */
  cxr_refusal refusal;
  /**
   * How unlike the training images the picture is; 0 if the model cannot tell.
   */
  float refusal_score;
  /**
   * Elements of `scores` that are in use.
   */
  uint32_t class_count;
  /**
   * One a class.
   */
  struct cxr_score scores[CXR_MAX_CLASSES];
} cxr_verdict;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Checks a model file of `len` bytes and remembers where it is; nothing is copied. `error` says what is wrong, if it is
 * not null. `abi` is the header's `CXR_ABI_VERSION`, the sizes are those of `*model` and `*error`.
 *
 * # Safety
 * `model` and `error` are null or writable for their sizes; `file` is readable for `len` bytes and stays so, unchanged, as long as the
 * model or a session made from it is used.
 */
cxr_status cxr_model_parse_sized(uint32_t abi,
                                 struct cxr_model *model,
                                 size_t model_size,
                                 const uint8_t *file,
                                 size_t len,
                                 struct cxr_error *error,
                                 size_t error_size);

/**
 * Writes the model's numbers into `info`, whose size is `info_size`.
 *
 * # Safety
 * `model` is null, zeroed or parsed; `info` is null or writable for `info_size` bytes.
 */
cxr_status cxr_model_info_sized(const struct cxr_model *model, struct cxr_info *info, size_t info_size);

/**
 * Copies the name of class `index` (UTF-8) into `name`, cut to fit and always terminated, and returns the bytes of the whole name
 * without its terminator: 0 if there is no such class, as for the `class_index` of a refusal.
 *
 * # Safety
 * `model` is null, zeroed or parsed; `name` is null or writable for `capacity` bytes.
 */
uint32_t cxr_class_name(const struct cxr_model *model,
                        int32_t index,
                        char *name,
                        size_t capacity);

/**
 * Starts to resize an image to what the session's model takes, in `words` 32-bit words of memory (`resizer_words` of
 * `cxr_model_info`). `resizer_size` is `sizeof *resizer`. After `cxr_reset` of the session, it takes the next image of the same kind.
 *
 * # Safety
 * `resizer` is null or writable for `resizer_size` bytes; `session` is null, zeroed or initialised, and stays where it is; `memory` is
 * null or writable for `words` words, and from now on, until the resizer is initialised anew or given up, the resizer's alone; `image` is
 * null or readable.
 */
cxr_status cxr_resizer_init_sized(struct cxr_resizer *resizer,
                                  size_t resizer_size,
                                  struct cxr_session *session,
                                  uint32_t *memory,
                                  size_t words,
                                  const struct cxr_image *image);

/**
 * Takes the next row of an image of 8 bits a value: `len` is width times `channels`, which is 1 (gray), 3 (RGB) or 4 (RGB and
 * alpha). Rows of the network that it completes go into the session, which must be that of `cxr_resizer_init`.
 *
 * # Safety
 * `resizer` and `session` are null, zeroed or initialised; `row` is null or readable for `len` elements.
 */
cxr_status cxr_resize_row_8(struct cxr_resizer *resizer,
                            struct cxr_session *session,
                            const uint8_t *row,
                            size_t len,
                            uint32_t channels);

/**
 * [`cxr_resize_row_8`] for 16 bits a value; `len` counts values.
 *
 * # Safety
 * As [`cxr_resize_row_8`].
 */
cxr_status cxr_resize_row_16(struct cxr_resizer *resizer,
                             struct cxr_session *session,
                             const uint16_t *row,
                             size_t len,
                             uint32_t channels);

/**
 * Starts an inference in an arena of at least `arena_bytes` (see `cxr_model_info`) bytes, of any alignment. `session_size` is
 * `sizeof *session`.
 *
 * # Safety
 * `session` is null or writable for `session_size` bytes; `model` is null, zeroed or parsed; `arena` is null or writable for `arena_len` bytes,
 * and from now on, until the session is initialised anew or given up, the session's alone. The model's file outlives the session.
 */
cxr_status cxr_session_init_sized(struct cxr_session *session,
                                  size_t session_size,
                                  const struct cxr_model *model,
                                  int8_t *arena,
                                  size_t arena_len);

/**
 * Also writes where each logit comes from into `map`: `map_len` (see `cxr_model_info`) integers, `[class][y][x]`. Call it after
 * `cxr_session_init` or `cxr_reset`, before the first row: later it is `CXR_ERROR_STARTED`. A class's map plus its bias is its
 * accumulator, to the last bit.
 *
 * # Safety
 * `session` is null, zeroed or initialised; `map` is null or writable for `map_len` elements, and the session's alone from now on.
 */
cxr_status cxr_explain(struct cxr_session *session,
                       int32_t *map,
                       size_t map_len);

/**
 * Takes the next row: `width * channels` bytes, channels interleaved, 0 black to 255 white. On an error nothing is taken.
 *
 * # Safety
 * `session` is null, zeroed or initialised; `row` is null or readable for `len` bytes, and no part of the arena.
 */
cxr_status cxr_push_row(struct cxr_session *session,
                        const uint8_t *row,
                        size_t len);

/**
 * Takes the next row of a gray image: `width` bytes, given to every channel. On an error nothing is taken.
 *
 * # Safety
 * As [`cxr_push_row`].
 */
cxr_status cxr_push_gray_row(struct cxr_session *session, const uint8_t *row, size_t len);

/**
 * Forgets the rows pushed so far: for the next image, or after an image that was cut short. The session's resizer begins anew, too,
 * with the image's width, height and window as before.
 *
 * # Safety
 * `session` is null, zeroed or initialised.
 */
cxr_status cxr_reset(struct cxr_session *session);

/**
 * The verdict, once all rows are there. Returns `CXR_OK` only if there is one; `CXR_REFUSED` if the model gives none on this image.
 * `verdict_size` is `sizeof *verdict`.
 *
 * # Safety
 * `session` is null, zeroed or initialised; `verdict` is null or writable for `verdict_size` bytes.
 */
cxr_status cxr_finish_sized(struct cxr_session *session,
                            struct cxr_verdict *verdict,
                            size_t verdict_size);

/**
 * A sentence about a status, terminated and never null, whatever the number.
 */
const char *cxr_status_text(int32_t status);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Checks a model file of `len` bytes and remembers where it is; nothing is copied. `error` says what is wrong, if it is not null.
 */
static inline cxr_status cxr_model_parse(cxr_model *model, const uint8_t *file, size_t len, cxr_error *error) {
  return cxr_model_parse_sized(CXR_ABI_VERSION, model, sizeof *model, file, len, error, sizeof *error);
}

/**
 * Writes the model's numbers into `info`.
 */
static inline cxr_status cxr_model_info(const cxr_model *model, cxr_info *info) {
  return cxr_model_info_sized(model, info, sizeof *info);
}

/**
 * Starts an inference in an arena of at least `arena_bytes` (see `cxr_model_info`) bytes, of any alignment.
 */
static inline cxr_status cxr_session_init(cxr_session *session, const cxr_model *model, int8_t *arena, size_t arena_len) {
  return cxr_session_init_sized(session, sizeof *session, model, arena, arena_len);
}

/**
 * The verdict, once all rows are there. Returns `CXR_OK` only if there is one; `CXR_REFUSED` if the model gives none on this image.
 */
static inline cxr_status cxr_finish(cxr_session *session, cxr_verdict *verdict) {
  return cxr_finish_sized(session, verdict, sizeof *verdict);
}

/**
 * Starts to resize an image to what the session's model takes, in `words` words of memory (`resizer_words` of `cxr_model_info`).
 */
static inline cxr_status cxr_resizer_init(cxr_resizer *resizer, cxr_session *session, uint32_t *memory, size_t words,
                                          const cxr_image *image) {
  return cxr_resizer_init_sized(resizer, sizeof *resizer, session, memory, words, image);
}

#ifdef __cplusplus
}
#endif

#endif  /* CXR_H */
