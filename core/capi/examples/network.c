/*
 * Any network of `host import` from C: the same source runs on this machine and on a Cortex-M4 (`cargo xtask test --only c`).
 *
 * The input is generated, so that the outputs can be compared with the Rust interface's: a device pushes its camera's rows instead, by
 * rownet_push_row_u8. model.S puts the file of -DCXR_MODEL_FILE into flash.
 */
#include "rownet.h"
#include <inttypes.h>
#include <stdio.h>

extern const uint8_t cxr_model_file[];
extern const uint8_t cxr_model_file_end[];

static rownet_model model;
static rownet_session session;
/* Checked against the network below; a product takes exactly its network's. */
static int8_t arena[128 * 1024];
static int8_t row[16 * 1024];

/* Whatever the compiler makes of enums: the library writes four bytes. */
typedef char status_is_32_bits[sizeof(rownet_status) == 4 ? 1 : -1];
typedef char info_is_as_documented[sizeof(rownet_info) == 9 * 4 ? 1 : -1];

static int failed(const char *call, rownet_status status) {
  printf("%s: %s\n", call, rownet_status_text(status));
  return 1;
}

int main(void) {
  rownet_error error;
  rownet_status status = rownet_model_parse(&model, cxr_model_file, (size_t)(cxr_model_file_end - cxr_model_file), &error);
  if (status != ROWNET_OK) {
    printf("%" PRIu32 ": %.*s\n", error.at, (int)error.field_len, error.field);
    return failed("rownet_model_parse", status);
  }
  rownet_info info;
  if ((status = rownet_model_info(&model, &info)) != ROWNET_OK) return failed("rownet_model_info", status);
  const size_t row_len = (size_t)info.width * info.channels;
  if (info.arena_bytes > sizeof arena || row_len > sizeof row) {
    printf("this program's buffers are for another network\n");
    return 1;
  }
  if ((status = rownet_session_init(&session, &model, arena, sizeof arena)) != ROWNET_OK) return failed("rownet_session_init", status);

  rownet_output output;
  /* Twice: a session begins anew. */
  for (int pass = 0; pass < 2; pass++) {
    uint32_t x = 1;
    for (int32_t y; (y = rownet_next_row(&session)) >= 0;) {
      if (y == 0) x = 1;
      for (size_t i = 0; i < row_len; i++) {
        x = x * 1664525u + 1013904223u;
        row[i] = (int8_t)(uint8_t)(x >> 24);
      }
      /* There is no output before the last row, and a row of the wrong length changes nothing. */
      if (rownet_get_output(&session, 0, &output) != ROWNET_ERROR_MISSING_ROWS) return failed("too early", ROWNET_ERROR_OTHER);
      if (rownet_push_row(&session, row, row_len + 1) != ROWNET_ERROR_ROW_LENGTH) return failed("long row", ROWNET_ERROR_OTHER);
      if ((status = rownet_push_row(&session, row, row_len)) != ROWNET_OK) return failed("rownet_push_row", status);
    }
    if (pass == 0 && (status = rownet_reset(&session)) != ROWNET_OK) return failed("rownet_reset", status);
  }

  /* FNV-1a of all outputs' bytes. */
  uint64_t hash = 0xCBF29CE484222325u;
  for (uint32_t i = 0; i < info.output_count; i++) {
    if ((status = rownet_get_output(&session, i, &output)) != ROWNET_OK) return failed("rownet_get_output", status);
    for (uint32_t k = 0; k < output.len; k++) hash = (hash ^ (uint8_t)output.data[k]) * 0x100000001B3u;
    printf("output %" PRIu32 ": %" PRIu32 "x%" PRIu32 "x%" PRIu32 "\n", i, output.height, output.width, output.channels);
  }
  if (rownet_get_output(&session, info.output_count, &output) != ROWNET_ERROR_OUTPUT) return failed("no output", ROWNET_ERROR_OTHER);
  printf("arena %" PRIu32 " bytes, session %lu bytes\n", info.arena_bytes, (unsigned long)sizeof session);
  printf("output hash: %08" PRIx32 "%08" PRIx32 "\n", (uint32_t)(hash >> 32), (uint32_t)hash);
  return 0;
}
