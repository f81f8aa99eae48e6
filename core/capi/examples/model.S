/* The model file as read-only bytes; gcc is given -DCXR_MODEL_FILE='"path"'. */
    .section .rodata.cxr_model, "a"
    .balign 16
    .global cxr_model_file
cxr_model_file:
    .incbin CXR_MODEL_FILE
    .global cxr_model_file_end
cxr_model_file_end:
    .byte 0
#if defined(__linux__) && defined(__ELF__)
    .section .note.GNU-stack, "", %progbits
#endif
