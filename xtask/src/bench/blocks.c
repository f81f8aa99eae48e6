/* A QEMU plugin: how often each translated block ran and how often it was left by a jump, layer by layer.
 *
 * The image under it calls return number i of a table of returns when layer i has just run (firmware/board, `mark`);
 * blocks that ran since the last such call are counted for that layer.
 *
 *     -plugin blocks.so,marks=ADDRESS,out=FILE
 *
 * FILE: "block ADDRESS BYTES INSTRUCTIONS", and after it for each layer "ran LAYER TIMES JUMPS ENTRIES". Jumps are the times that
 * what ran next was not what follows in memory, entries those that such a jump led there. At the end "unaligned LAYER CYCLES": what loads of halfwords and words off their
 * alignment cost an Armv7-M core, one cycle where they make two accesses, two where they make three.
 *
 * The declarations are QEMU's plugin interface, version 1 (qemu-plugin.h), which Debian does not package.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void (*on_exec)(unsigned cpu, void *data);
typedef void (*on_translate)(uint64_t id, void *tb);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, on_translate callback);
void qemu_plugin_register_vcpu_tb_exec_cb(void *tb, on_exec callback, int flags, void *data);
void qemu_plugin_register_atexit_cb(uint64_t id, void (*callback)(uint64_t id, void *data), void *data);
size_t qemu_plugin_tb_n_insns(const void *tb);
uint64_t qemu_plugin_tb_vaddr(const void *tb);
typedef void (*on_access)(unsigned cpu, uint32_t access, uint64_t address, void *data);
void qemu_plugin_register_vcpu_mem_cb(void *insn, on_access callback, int flags, int kinds, void *data);
unsigned qemu_plugin_mem_size_shift(uint32_t access);
void *qemu_plugin_tb_get_insn(const void *tb, size_t i);
size_t qemu_plugin_insn_size(const void *insn);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

enum { MARKS = 1024, NOTHING = MARKS - 1, READS = 1 };

struct count {
    uint64_t times, jumps, entries;
};

struct block {
    struct block *next;            /* of all */
    struct block *next_pending;    /* of those that ran since the last mark */
    uint64_t at, bytes, instructions;
    struct count pending;
    struct count *layers;          /* MARKS of them, once it ran in one */
};

static struct block *blocks, *pending, *last;
static uint64_t marks, unaligned, unaligned_in[MARKS];
static FILE *out;

/* What is pending ran in this layer. */
static void settle(unsigned layer)
{
    unaligned_in[layer] += unaligned;
    unaligned = 0;
    while (pending) {
        struct block *block = pending;
        if (layer != NOTHING) {
            if (!block->layers && !(block->layers = calloc(MARKS, sizeof(struct count)))) {
                abort();
            }
            block->layers[layer].times += block->pending.times;
            block->layers[layer].jumps += block->pending.jumps;
            block->layers[layer].entries += block->pending.entries;
        }
        block->pending = (struct count){0, 0, 0};
        pending = block->next_pending;
        block->next_pending = NULL;
    }
}

static void executed(unsigned cpu, void *data)
{
    struct block *block = data;
    (void)cpu;
    uint64_t gap = last ? block->at - (last->at + last->bytes) : 0;
    /* QEMU sees half of an instruction that crosses a page. */
    int jumped = gap != 0 && !(gap == 2 && (block->at - 2) % 1024 == 0);
    if (jumped) {
        last->pending.jumps++;
    }
    last = block;
    if (block->at >= marks && block->at < marks + 2 * MARKS) {
        settle((block->at - marks) / 2);
        last = NULL;
        return;
    }
    if (!block->pending.times++) {
        block->next_pending = pending;
        pending = block;
    }
    block->pending.entries += jumped;
}

static void loaded(unsigned cpu, uint32_t access, uint64_t address, void *data)
{
    (void)cpu;
    (void)data;
    switch (qemu_plugin_mem_size_shift(access)) {
    case 1:
        unaligned += address & 1;
        break;
    case 2:
        unaligned += address & 1 ? 2 : address & 2 ? 1 : 0;
        break;
    default:
        break;
    }
}

static void translated(uint64_t id, void *tb)
{
    struct block *block = calloc(1, sizeof *block);
    (void)id;
    if (!block) {
        abort();
    }
    block->at = qemu_plugin_tb_vaddr(tb);
    block->instructions = qemu_plugin_tb_n_insns(tb);
    for (size_t i = 0; i < block->instructions; i++) {
        void *insn = qemu_plugin_tb_get_insn(tb, i);
        block->bytes += qemu_plugin_insn_size(insn);
        qemu_plugin_register_vcpu_mem_cb(insn, loaded, 0, READS, NULL);
    }
    block->next = blocks;
    blocks = block;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, 0, block);
}

static void finished(uint64_t id, void *data)
{
    (void)id;
    (void)data;
    for (struct block *block = blocks; block; block = block->next) {
        if (!block->layers) {
            continue;
        }
        fprintf(out, "block %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", block->at, block->bytes, block->instructions);
        for (unsigned layer = 0; layer < NOTHING; layer++) {
            struct count count = block->layers[layer];
            if (count.times) {
                fprintf(out, "ran %u %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", layer, count.times, count.jumps, count.entries);
            }
        }
    }
    for (unsigned layer = 0; layer < NOTHING; layer++) {
        if (unaligned_in[layer]) {
            fprintf(out, "unaligned %u %" PRIu64 "\n", layer, unaligned_in[layer]);
        }
    }
    if (fclose(out) != 0) {
        perror("blocks");
    }
}

__attribute__((visibility("default"))) int
qemu_plugin_install(uint64_t id, const void *info, int count, char **arguments)
{
    (void)info;
    for (int i = 0; i < count; i++) {
        if (strncmp(arguments[i], "marks=", 6) == 0) {
            marks = strtoull(arguments[i] + 6, NULL, 0);
        } else if (strncmp(arguments[i], "out=", 4) == 0) {
            out = fopen(arguments[i] + 4, "w");
        }
    }
    if (!out || !marks) {
        fputs("blocks: give marks=ADDRESS,out=FILE\n", stderr);
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, finished, NULL);
    return 0;
}
