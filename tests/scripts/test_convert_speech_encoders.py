"""Both encoders against PyTorch, with random weights under the originals' names."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

torch = pytest.importorskip("torch")
functional = torch.nn.functional
GENERATOR = np.random.default_rng(0)


def stored(
    arrays: dict[str, np.ndarray], nodes: list[onnx.NodeProto] | None = None
) -> onnx.ModelProto:
    """A model that only holds arrays under their names."""
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    return helper.make_model(helper.make_graph(nodes or [], "weights", [], [], tensors))


def normal(*shape: int, scale: float = 0.05) -> np.ndarray:
    return (scale * GENERATOR.standard_normal(shape)).astype(np.float32)


def attention(query: "torch.Tensor", key: "torch.Tensor", value: "torch.Tensor") -> "torch.Tensor":
    mixed = functional.scaled_dot_product_attention(query, key, value)
    return mixed.transpose(1, 2).flatten(2)


class Whisper:
    """Random 8-bit weights named as smart-turn names them, and what PyTorch makes of them."""

    def __init__(self) -> None:
        from convert_smart_turn import BLOCKS

        self.arrays: dict[str, np.ndarray] = {}
        self.plain: dict[str, torch.Tensor] = {}
        self.blocks = BLOCKS
        for index, bands in ((1, 80), (2, 384)):
            self.quantise(f"inner.encoder.conv{index}.weight", (384, bands, 3), 0)
            self.integer_bias(f"inner.encoder.conv{index}.bias")
        self.keep("inner.encoder.embed_positions.weight", normal(400, 384))
        shapes = [(384, 384)] * 4 + [(384, 1536), (1536, 384)]
        for layer, names in enumerate(BLOCKS):
            for name, shape in zip(names, shapes, strict=True):
                self.quantise(name, shape, 1)
            for part in ("self_attn.q_proj", "self_attn.v_proj", "self_attn.out_proj", "fc2"):
                self.keep(f"inner.encoder.layers.{layer}.{part}.bias", normal(384))
            self.keep(f"inner.encoder.layers.{layer}.fc1.bias", normal(1536))
        for layer, part in (
            (0, "self_attn"),
            (0, "final"),
            (1, "self_attn"),
            (1, "final"),
            (2, "self_attn"),
        ):
            prefix = f"inner.encoder.layers.{layer}.{part}_layer_norm"
            self.keep(f"{prefix}.weight", 1 + normal(384))
            self.keep(f"{prefix}.bias", normal(384))

    def keep(self, name: str, array: np.ndarray) -> None:
        self.arrays[name] = array
        self.plain[name] = torch.from_numpy(array)

    def quantise(self, name: str, shape: tuple[int, ...], axis: int) -> None:
        integers = GENERATOR.integers(-127, 128, shape, np.int8)
        scales = GENERATOR.uniform(4e-4, 8e-4, shape[axis]).astype(np.float32)
        self.arrays |= {
            f"{name}_quantized": integers,
            f"{name}_scale": scales,
            f"{name}_zero_point": np.zeros(shape[axis], np.int8),
        }
        spread = scales.reshape([-1 if place == axis else 1 for place in range(len(shape))])
        self.plain[name] = torch.from_numpy(integers * spread)

    def integer_bias(self, name: str) -> None:
        integers, scale = (
            GENERATOR.integers(-900, 900, 384, np.int32),
            np.full(384, 1e-4, np.float32),
        )
        self.arrays |= {f"{name}_quantized": integers, f"{name}_quantized_scale": scale}
        self.plain[name] = torch.from_numpy((integers * scale).astype(np.float32))

    def __call__(self, picture: np.ndarray) -> list[np.ndarray]:
        """The states that the second and third block read."""
        found = torch.from_numpy(picture)
        for index in (1, 2):
            prefix = f"inner.encoder.conv{index}"
            weight, bias = self.plain[f"{prefix}.weight"], self.plain[f"{prefix}.bias"]
            found = functional.gelu(functional.conv1d(found, weight, bias, stride=index, padding=1))
        found = found.transpose(1, 2)
        found = found + self.plain["inner.encoder.embed_positions.weight"][-found.shape[1] :]
        outputs = []
        for layer in range(2):
            found = self.block(layer, found)
            outputs.append(self.norm(found, f"layers.{layer + 1}.self_attn").numpy())
        return outputs

    def norm(self, states: "torch.Tensor", name: str) -> "torch.Tensor":
        prefix = f"inner.encoder.{name}_layer_norm"
        return functional.layer_norm(
            states, (384,), self.plain[f"{prefix}.weight"], self.plain[f"{prefix}.bias"]
        )

    def block(self, layer: int, states: "torch.Tensor") -> "torch.Tensor":
        prefix, names = f"inner.encoder.layers.{layer}", self.blocks[layer]
        query, key, value, out, up, down = (self.plain[name] for name in names)
        bias = {part: self.plain.get(f"{prefix}.{part}.bias") for part in ("fc1", "fc2")}
        inner = {
            part: self.plain[f"{prefix}.self_attn.{part}_proj.bias"] for part in ("q", "v", "out")
        }
        normed = self.norm(states, f"layers.{layer}.self_attn")
        heads = [
            part.unflatten(2, (6, 64)).transpose(1, 2)
            for part in (normed @ query + inner["q"], normed @ key, normed @ value + inner["v"])
        ]
        states = states + attention(*heads) @ out + inner["out"]
        wide = functional.gelu(self.norm(states, f"layers.{layer}.final") @ up + bias["fc1"])
        return states + wide @ down + bias["fc2"]


@pytest.fixture(scope="module")
def whisper() -> tuple[Whisper, onnx.ModelProto]:
    from convert_smart_turn import Original, convert

    reference = Whisper()
    return reference, convert(Original(stored(reference.arrays)))


@pytest.mark.parametrize("columns", [800, 351, 26, 1])
def test_smart_turn_s_blocks_equal_torch_at_any_length(
    whisper: tuple[Whisper, onnx.ModelProto], columns: int
) -> None:
    from onnx_graph import run

    reference, model = whisper
    picture = normal(2, 80, columns, scale=0.5)
    found, wanted = run(model, picture), reference(picture)
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.shape == (2, -(-columns // 2), 384)
        np.testing.assert_allclose(ours, theirs, atol=2e-4)


def test_smart_turn_s_matrices_stay_8_bit_in_the_file(
    whisper: tuple[Whisper, onnx.ModelProto],
) -> None:
    assert len(whisper[1].SerializeToString()) < 5e6


def test_weights_that_are_not_stored_around_zero_are_refused() -> None:
    from convert_smart_turn import Original

    names = ("quantized", "scale", "zero_point")
    arrays = [np.ones((2, 2), np.int8), np.ones(2, np.float32), np.ones(2, np.int8)]
    model = stored({f"w_{name}": array for name, array in zip(names, arrays, strict=True)})
    with pytest.raises(SystemExit, match="not stored around zero"):
        Original(model).matrix("w", 1)


class Moonshine:
    """Random weights named as the package names them, and what PyTorch makes of them."""

    def __init__(self) -> None:
        self.arrays = {
            "conv1.weight_add_tensor": normal(288, 1, 127).astype(np.float16).astype(np.float32),
            "onnx::Mul_2080": 1 + normal(288, 1),
            "onnx::Add_2081": normal(288, 1),
        }
        for name, shape in (("conv2", (576, 288, 7)), ("conv3", (288, 576, 3))):
            halved = normal(*shape).astype(np.float16)
            self.arrays[f"{name}.weight_add_tensor"] = halved.astype(np.float32)
            self.arrays[f"{name}.bias"] = normal(shape[0])
        self.matrices: dict[str, torch.Tensor] = {}
        self.nodes: list[onnx.NodeProto] = []
        for layer in range(2):
            for part in ("q_proj", "k_proj", "v_proj", "o_proj"):
                self.matrix(layer, f"self_attn/{part}", "MatMul", (288, 288))
            self.matrix(layer, "mlp/fc1", "Add", (288, 1152))
            self.matrix(layer, "mlp/fc2", "Add", (1152, 288))
            self.arrays[f"layers.{layer}.mlp.fc1.bias"] = normal(1152)
            self.arrays[f"layers.{layer}.mlp.fc2.bias"] = normal(288)
            self.arrays[f"layers.{layer}.post_attention_layernorm.weight"] = 1 + normal(288)
        for layer in range(3):
            self.arrays[f"layers.{layer}.input_layernorm.weight"] = 1 + normal(288)

    def matrix(self, layer: int, part: str, kind: str, shape: tuple[int, int]) -> None:
        number = len(self.matrices)
        integers, scale = GENERATOR.integers(0, 256, shape, np.uint8), np.float32(6e-4)
        self.arrays |= {
            f"onnx::MatMul_{number}_quantized": integers,
            f"onnx::MatMul_{number}_scale": np.array(scale),
            f"onnx::MatMul_{number}_zero_point": np.array(120 + number, np.uint8),
        }
        self.nodes.append(
            helper.make_node(
                "MatMulIntegerToFloat",
                [f"/layers.{layer}/x_quantized", f"onnx::MatMul_{number}_quantized"],
                [f"/layers.{layer}/{part}/{kind}_output_0"],
            )
        )
        centred = (integers.astype(np.float32) - 120 - number) * scale
        self.matrices[f"{layer}/{part}"] = torch.from_numpy(centred)

    def __call__(self, samples: np.ndarray) -> list[np.ndarray]:
        """The states behind the first and second layer, normalised."""
        plain = {name: torch.from_numpy(np.asarray(array)) for name, array in self.arrays.items()}
        found = functional.conv1d(
            torch.from_numpy(samples)[:, None], plain["conv1.weight_add_tensor"], stride=64
        ).tanh()
        found = functional.group_norm(
            found, 1, plain["onnx::Mul_2080"].ravel(), plain["onnx::Add_2081"].ravel()
        )
        for name, stride in (("conv2", 3), ("conv3", 2)):
            weight, bias = plain[f"{name}.weight_add_tensor"], plain[f"{name}.bias"]
            found = functional.gelu(functional.conv1d(found, weight, bias, stride=stride))
        found = found.transpose(1, 2)

        def norm(name: str) -> "torch.Tensor":
            return functional.layer_norm(found, (288,), plain[f"{name}.weight"])

        outputs = []
        for layer in range(2):
            normed = norm(f"layers.{layer}.input_layernorm")
            query, key, value = (
                (normed @ self.matrices[f"{layer}/self_attn/{part}_proj"])
                .unflatten(2, (8, 36))
                .transpose(1, 2)
                for part in "qkv"
            )
            attended = attention(rotated(query), rotated(key), value)
            found = found + attended @ self.matrices[f"{layer}/self_attn/o_proj"]
            wide = (
                norm(f"layers.{layer}.post_attention_layernorm") @ self.matrices[f"{layer}/mlp/fc1"]
            )
            wide = functional.gelu(wide + plain[f"layers.{layer}.mlp.fc1.bias"])
            found = found + wide @ self.matrices[f"{layer}/mlp/fc2"]
            found = found + plain[f"layers.{layer}.mlp.fc2.bias"]
            outputs.append(norm(f"layers.{layer + 1}.input_layernorm").numpy())
        return outputs


def rotated(states: "torch.Tensor") -> "torch.Tensor":
    """Rotary positions by complex numbers: the first 32 of 36, neighbours as pairs."""
    pairs = torch.view_as_complex(states[..., :32].unflatten(-1, (16, 2)).contiguous())
    speeds = 10000.0 ** (-torch.arange(16) / 16)
    angles = torch.arange(states.shape[2])[:, None] * speeds
    turned = torch.view_as_real(pairs * torch.polar(torch.ones_like(angles), angles)).flatten(-2)
    return torch.cat([turned, states[..., 32:]], dim=-1)


@pytest.mark.parametrize("samples", [895, 16000, 40001])
def test_moonshine_s_layers_equal_torch_at_any_length(samples: int) -> None:
    from convert_moonshine import Original, convert
    from onnx_graph import run

    reference = Moonshine()
    model = convert(Original(stored(reference.arrays, reference.nodes)))
    sound = normal(2, samples, scale=0.3)
    for ours, theirs in zip(run(model, sound), reference(sound), strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, atol=2e-4)
