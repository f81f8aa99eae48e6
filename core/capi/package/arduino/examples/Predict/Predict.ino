// One inference on a generated image, its logits over the serial port. Research software, not a medical device.
#include <cxr.h>
#include "model.h"

static cxr_model model;
static cxr_session session;
static int8_t arena[CXR_DEFAULT_ARENA];
static uint8_t row[CXR_DEFAULT_ROW];

void setup() {
  Serial.begin(115200);
  cxr_info info;
  if (cxr_model_parse(&model, cxr_default_model, cxr_default_model_len, NULL) != CXR_OK) return;
  if (cxr_model_info(&model, &info) != CXR_OK || info.arena_bytes > sizeof arena) return;
  if (cxr_session_init(&session, &model, arena, info.arena_bytes) != CXR_OK) return;
  uint32_t state = 1;  // the image of the project's golden fixture
  for (uint32_t y = 0; y < info.height; y++) {
    for (size_t x = 0; x < sizeof row; x++) {
      state = state * 1664525u + 1013904223u;
      row[x] = (uint8_t)(state >> 24);
    }
    if (cxr_push_row(&session, row, sizeof row) != CXR_OK) return;
  }
  cxr_verdict verdict;
  cxr_status status = cxr_finish(&session, &verdict);
  Serial.print("logit bits:");
  for (uint32_t k = 0; k < info.class_count; k++) {
    uint32_t bits;
    memcpy(&bits, &verdict.scores[k].logit, sizeof bits);
    char text[10];
    snprintf(text, sizeof text, " %08lx", (unsigned long)bits);
    Serial.print(text);
  }
  Serial.println(status == CXR_OK ? "\nverdict" : "\nno verdict");
}

void loop() {}
