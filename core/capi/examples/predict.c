/*
 * One inference from C: the same source runs on this machine and on a Cortex-M4 (`cargo xtask test --only c`).
 *
 * The image is generated (the fixture of tests/golden), so that the logits can be compared with onnxruntime's, bit by
 * bit. A device pushes its detector's rows instead. Research software, not a medical device.
 */
#include "cxr.h"
#include <inttypes.h>
#include <stdio.h>

/* The model's bytes, put into flash by model.S. */
extern const uint8_t cxr_model_file[];
extern const uint8_t cxr_model_file_end[];

static cxr_model model;
static cxr_session session;
/* Checked against the model below; a product takes exactly its model's. */
static int8_t arena[64 * 1024];
static int32_t map[CXR_MAX_CLASSES * 256];
static uint8_t row[3 * 4096];

/* x = x * 1664525 + 1013904223 (mod 2^32); a pixel is each new x >> 24. */
static void fill(uint32_t *state, size_t len) {
  for (size_t i = 0; i < len; i++) {
    *state = *state * 1664525u + 1013904223u;
    row[i] = (uint8_t)(*state >> 24);
  }
}

/* Whatever the compiler makes of enums: the library writes four bytes. */
typedef char status_is_32_bits[sizeof(cxr_status) == 4 ? 1 : -1];
typedef char verdict_is_as_documented[sizeof(cxr_verdict) == 16 + 12 * CXR_MAX_CLASSES ? 1 : -1];
typedef char info_is_as_documented[sizeof(cxr_info) == 9 * 4 ? 1 : -1];

static int failed(const char *call, cxr_status status) {
  printf("%s: %s\n", call, cxr_status_text(status));
  return 1;
}

/* Runs one image; 0 if it came to a verdict or a refusal. */
static int run(const cxr_info *info, uint32_t seed, cxr_verdict *verdict) {
  size_t row_len = (size_t)info->width * info->channels;
  for (uint32_t y = 0; y < info->height; y++) {
    fill(&seed, row_len);
    /* A row of the wrong length is refused and changes nothing. */
    if (cxr_push_row(&session, row, row_len - 1) != CXR_ERROR_ROW_LENGTH) return failed("short row", CXR_ERROR_OTHER);
    cxr_status status = cxr_push_row(&session, row, row_len);
    if (status != CXR_OK) return failed("cxr_push_row", status);
  }
  cxr_status status = cxr_finish(&session, verdict);
  return status == CXR_OK || status == CXR_REFUSED ? 0 : failed("cxr_finish", status);
}

int main(void) {
  cxr_error error;
  cxr_status status = cxr_model_parse(&model, cxr_model_file, (size_t)(cxr_model_file_end - cxr_model_file), &error);
  if (status != CXR_OK) {
    printf("offset %" PRIu32 " %.*s\n", error.offset, (int)error.field_len, error.field);
    return failed("cxr_model_parse", status);
  }
  cxr_info info;
  status = cxr_model_info(&model, &info);
  if (status != CXR_OK) return failed("cxr_model_info", status);
  printf("model: %" PRIu32 "x%" PRIu32 "x%" PRIu32 ", %" PRIu32 " classes, arena %lu bytes, session %lu bytes\n", info.height,
         info.width, info.channels, info.class_count, (unsigned long)info.arena_bytes, (unsigned long)sizeof session);
  if (info.arena_bytes > sizeof arena || info.map_len > sizeof map / sizeof map[0] || info.width * info.channels > sizeof row) {
    printf("this program's buffers are for another model\n");
    return 1;
  }

  status = cxr_session_init(&session, &model, arena, info.arena_bytes);
  if (status != CXR_OK) return failed("cxr_session_init", status);
  status = cxr_explain(&session, map, info.map_len);
  if (status != CXR_OK) return failed("cxr_explain", status);

  /* Two images. Map and bias add up to the accumulator exactly, so both must leave the same bias. */
  int32_t bias[CXR_MAX_CLASSES] = {0};
  for (uint32_t seed = 2; seed >= 1; seed--) {
    cxr_verdict verdict;
    if (run(&info, seed, &verdict) != 0) return 1;
    size_t cells = (size_t)info.map_height * info.map_width;
    for (uint32_t k = 0; k < info.class_count; k++) {
      int32_t rest = verdict.scores[k].accumulator;
      for (size_t i = 0; i < cells; i++) rest -= map[k * cells + i];
      if (seed == 1 && rest != bias[k]) {
        printf("class %" PRIu32 ": the map does not add up to the logit\n", k);
        return 1;
      }
      bias[k] = rest;
    }
    if (seed == 1) {
      printf("logit bits:");
      for (uint32_t k = 0; k < info.class_count; k++) {
        union { float value; uint32_t bits; } logit = {verdict.scores[k].logit};
        printf(" %08" PRIx32, logit.bits);
      }
      char name[32];
      cxr_class_name(&model, verdict.class_index, name, sizeof name);
      if (verdict.class_index >= 0) printf("\nverdict: %s\n", name);
      else printf("\nno verdict: refusal %d\n", (int)verdict.refusal);
      printf("map: adds up to each logit\n");
    }
    if (cxr_reset(&session) != CXR_OK) return 1;
  }
  return 0;
}
