/* What runs before main on a Cortex-M4F: vectors, data, floating point, semihosting. */
#include <stdint.h>
#include <stdlib.h>

extern uint32_t _stack_top, _data_load, _data_start, _data_end, _bss_start, _bss_end;
extern void initialise_monitor_handles(void);
extern void __libc_init_array(void);
extern int main(void);

void _init(void) {}
void _fini(void) {}

void reset(void) {
  for (uint32_t *to = &_data_start, *from = &_data_load; to < &_data_end;) *to++ = *from++;
  for (uint32_t *to = &_bss_start; to < &_bss_end;) *to++ = 0;
  /* CPACR: full access to the floating-point unit. */
  *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20;
  __asm__ volatile("dsb\n isb" ::: "memory");
  initialise_monitor_handles();
  __libc_init_array();
  exit(main());
}

/* A fault ends the run with an error instead of hanging. */
static void fault(void) { _Exit(3); }

__attribute__((section(".vectors"), used)) static const uintptr_t vectors[16] = {
    (uintptr_t)&_stack_top, (uintptr_t)reset, (uintptr_t)fault, (uintptr_t)fault,
    (uintptr_t)fault,       (uintptr_t)fault, (uintptr_t)fault,
};
