"""The GPUs that can be rented, by RunPod's ids: memory, dense bfloat16 speed, memory bandwidth.

Sources are NVIDIA's data sheets, which state tensor speed with sparsity; here it is halved. Memory is the
maker's figure taken as 10^9 bytes a GB, which is under what the driver offers; of the L4, whose error
correction takes some of its 24 GB, what torch finds.

- L4: "NVIDIA L4 Tensor Core GPU" data sheet: BFLOAT16 242 with sparsity, 300 GB/s; torch: 22.0 to 22.2 GiB.
- RTX 4090: "NVIDIA Ada GPU Architecture" white paper, appendix: BF16 with FP32 accumulate 165.2, 1008 GB/s.
- A100 80GB: "NVIDIA A100 80GB" data sheet: BFLOAT16 312 dense; PCIe 1,935 and SXM 2,039 GB/s.
- H100: "NVIDIA H100 Tensor Core GPU" data sheet: BFLOAT16 with sparsity SXM 1,979, PCIe 1,513, NVL 1,671;
  3,350, 2,000 and 3,900 GB/s; NVL 94 GB.
- H200: "NVIDIA H200 Tensor Core GPU" data sheet: as H100 SXM, 141 GB, 4,800 GB/s.
"""

from __future__ import annotations

import msgspec

from millhand.text.normal import did_you_mean

_WHERE = "NVIDIA's data sheet"


class Gpu(msgspec.Struct, frozen=True):
    """A GPU: ``tflops`` is dense bfloat16 with float32 accumulation, in 10^12 operations a second."""

    id: str
    name: str
    memory_gb: float
    tflops: float
    bandwidth_gb_s: float
    source: str = _WHERE

    @property
    def memory(self) -> float:
        """Its memory in bytes."""
        return self.memory_gb * 1e9


GPUS = {
    gpu.id: gpu
    for gpu in (
        Gpu("NVIDIA L4", "L4", 23.6, 121, 300),
        Gpu("NVIDIA GeForce RTX 4090", "RTX 4090", 24, 165.2, 1008, "NVIDIA's Ada white paper"),
        Gpu("NVIDIA A100 80GB PCIe", "A100 80GB", 80, 312, 1935),
        Gpu("NVIDIA A100-SXM4-80GB", "A100 80GB SXM", 80, 312, 2039),
        Gpu("NVIDIA H100 PCIe", "H100 PCIe", 80, 756.5, 2000),
        Gpu("NVIDIA H100 NVL", "H100 NVL", 94, 835.5, 3900),
        Gpu("NVIDIA H100 80GB HBM3", "H100 SXM", 80, 989.5, 3350),
        Gpu("NVIDIA H200", "H200", 141, 989.5, 4800),
    )
}
# What is shown where a workspace has no pod files.
USUAL = ("NVIDIA L4", "NVIDIA GeForce RTX 4090", "NVIDIA A100 80GB PCIe", "NVIDIA H100 80GB HBM3")


def find_gpu(name: str) -> Gpu | None:
    """A GPU by its id, its short name or what nvidia-smi calls it; None for one that is not in the table."""
    wanted = name.casefold()
    for gpu in GPUS.values():
        if wanted in (gpu.id.casefold(), gpu.name.casefold()):
            return gpu
    return None


def near(name: str) -> str:
    """What was probably meant, as a sentence; empty where nothing is near."""
    return did_you_mean(name, GPUS)
