"""Writes augment.png: an image and, below it, the same after each row of CASES, by Pillow and OpenCV.

pip install pillow==13.0.0 opencv-python-headless==4.11.0.86 numpy
"""
import pathlib

import cv2
import numpy as np
from PIL import Image, ImageOps

WIDTH, HEIGHT, FILL = 20, 16, (128, 128, 128)


def warp(pixels, matrix):
    return cv2.warpAffine(pixels, np.float32(matrix), (WIDTH, HEIGHT), borderValue=FILL, flags=cv2.INTER_LINEAR)


def rotate(pixels, degrees):
    return warp(pixels, cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), degrees, 1))


def brightness(pixels, factor):
    return (pixels.astype(np.float64) * factor).clip(0, 255).astype(np.uint8)


def sharpness(pixels, factor):
    kernel = np.ones((3, 3), np.float32)
    kernel[1, 1] = 5
    smooth = cv2.filter2D(pixels, -1, kernel / 13).astype(np.float64)
    blended = (smooth + factor * (pixels - smooth)).clip(0, 255).astype(np.uint8)
    result = pixels.copy()
    result[1:-1, 1:-1] = blended[1:-1, 1:-1]
    return result


CASES = [
    lambda p: np.asarray(ImageOps.autocontrast(Image.fromarray(p))),
    lambda p: np.asarray(ImageOps.equalize(Image.fromarray(p))),
    lambda p: brightness(p, 1.36),
    lambda p: sharpness(p, 0.46),
    lambda p: sharpness(p, 1.9),
    lambda p: warp(p, [[1, 0.15, 0], [0, 1, 0]]),
    lambda p: warp(p, [[1, 0, 0], [-0.3, 1, 0]]),
    lambda p: warp(p, [[1, 0, -5], [0, 1, 0]]),
    lambda p: warp(p, [[1, 0, 0], [0, 1, 2.5]]),
    lambda p: rotate(p, 15),
    lambda p: rotate(p, -30),
]

y, x, channel = np.mgrid[:HEIGHT, :WIDTH, :3]
noise = np.random.default_rng(7).integers(0, 60, (HEIGHT, WIDTH, 3))
pixels = (20 + 7 * x + 3 * y * (channel + 1) / 2 + noise).astype(np.uint8)
stack = np.concatenate([pixels] + [case(pixels) for case in CASES])
Image.fromarray(stack).save(pathlib.Path(__file__).with_name("augment.png"), optimize=True)
